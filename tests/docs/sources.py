"""What the program can say: every text in its source, with a mark where it puts in a name or a number."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

GAP = "…"
FOLDERS = ("merging", "evaluation", "surrogate", "study")


def texts(root: Path) -> Iterator[str]:
    """Every string and f-string of the source; joined f-strings are one text."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [str(p.value) if isinstance(p, ast.Constant) else GAP for p in node.values]
                    yield "".join(parts)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def pattern(message: str) -> re.Pattern[str]:
    """A message as a page shows it: its gaps match any text that the program puts in there."""
    return re.compile(".*?".join(re.escape(part) for part in message.strip().split(GAP)), re.DOTALL)
