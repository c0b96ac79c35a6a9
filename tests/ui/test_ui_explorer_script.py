"""The explorer's JavaScript: its arithmetic under node, and the joining of its files into one module."""

import re
import subprocess
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from ui.component import FOLDER, ORDER, script

HERE = Path(__file__).parent
SVG = "http://www.w3.org/2000/svg"  # the name of a kind of document, no address that is asked


def test_arithmetic_under_node() -> None:
    """Under Playwright's own node, which is there wherever the tests are."""
    node, _ = compute_driver_executable()
    tests = [str(path) for path in sorted((HERE / "explorer").glob("*.test.mjs"))]
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True)
    assert done.returncode == 0 and tests, done.stdout[-4000:]


def test_every_file_is_joined_once_and_no_name_clashes() -> None:
    assert {path.stem for path in FOLDER.glob("*.js")} == set(ORDER)
    text = script()
    assert not re.search(r"^import ", text, re.MULTILINE)
    assert len(re.findall(r"^export ", text, re.MULTILINE)) == 1
    names = re.findall(r"^(?:const|let|function|class) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names))


def test_names_from_outside_never_become_markup() -> None:
    for path in FOLDER.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), path.name
        assert "http" not in text.replace(SVG, ""), path.name


def test_every_text_that_the_script_asks_for_exists() -> None:
    from ui.copy import EXPLORER

    asked = set(re.findall(r"\btext\.(\w+)", script())) - {"slice"}
    assert asked <= set(EXPLORER), asked - set(EXPLORER)
