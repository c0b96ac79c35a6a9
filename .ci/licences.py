"""docs/licences.md: what the program needs to run, with what that needs in turn, and under which licences.

python .ci/licences.py > docs/licences.md, in the environment that `make` made.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
HEAD = """# Licences of the dependencies
What `requirements.txt` names and, below it, what that brings along. Made by `make licences` from what the packages say
of themselves. The program itself is under Apache-2.0; it uses these packages as they are and ships none of them.

| package | licence | named in requirements.txt |
|---|---|---|
"""


def names(lines: list[str]) -> list[str]:
    """The packages that lines of requirements name, without those for other systems or extras."""
    found = []
    for line in lines:
        words, _, marker = line.partition(";")
        match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", words.strip())
        if match and "extra" not in marker and not re.search(r"win32|Windows|darwin|python_version\s*<", marker):
            found.append(re.sub(r"[-_.]+", "-", match.group()).lower())
    return found


def licence(package: Distribution) -> str:
    """What a package says its licence is: the expression, else the classifiers, else the first words of the text."""
    facts = package.metadata
    classifiers = [one.rsplit("::", 1)[-1].strip() for one in facts.get_all("Classifier") or [] if "License ::" in one]
    text = (facts.get("License") or "").strip().split("\n")[0][:60]
    return facts.get("License-Expression") or ", ".join(classifiers) or text or "says nothing"


def main() -> None:
    """Print the page."""
    direct = names(REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    waiting, rows = list(direct), {}
    while waiting:
        name = waiting.pop()
        if name in rows:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:  # for another system
            continue
        rows[name] = licence(package)
        waiting += names(package.requires or [])
    sys.stdout.write(HEAD)
    for name in sorted(rows, key=lambda name: (name not in direct, name)):
        sys.stdout.write(f"| {name} | {rows[name].replace('|', '/')} | {'yes' if name in direct else ''} |\n")


if __name__ == "__main__":
    main()
