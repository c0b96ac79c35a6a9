"""The page of licences names every package that the program asks for."""

import re

from tests.conftest import ROOT


def test_every_requirement_has_its_licence() -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([a-z0-9-]+) \| (.+?) \| yes \|$", page, flags=re.MULTILINE))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    asked = {re.split(r"[><=~\[; ]", line)[0].lower().replace("_", "-") for line in lines if line and line[0] != "#"}
    assert set(listed) == asked
    assert all(licence and licence != "says nothing" for licence in listed.values())
