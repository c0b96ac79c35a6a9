"""The explorer's JavaScript: its arithmetic under node, and the joining of its files into one module."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ui.component import FOLDER, ORDER, script

HERE = Path(__file__).parent
SVG = "http://www.w3.org/2000/svg"  # the name of a kind of document, no address that is asked


@pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed: the explorer's arithmetic is not tested"
)
def test_arithmetic_under_node() -> None:
    done = subprocess.run(
        ["node", "--test", *map(str, sorted((HERE / "explorer").glob("*.test.mjs")))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-4000:]


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
