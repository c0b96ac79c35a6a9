"""docs/methods.md is what the classes say."""

from pathlib import Path

from typer.testing import CliRunner

from merging import method_settings, methods
from merging.__main__ import app
from merging.describing.left_out import LEFT_OUT, SAID_OTHERWISE
from merging.describing.markdown import methods_page

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


def test_the_page_is_up_to_date() -> None:
    cure = "run: python -m merging --list --markdown > docs/methods.md"
    assert PAGE.read_text(encoding="utf-8") == methods_page(), cure


def test_every_method_setting_and_omission_is_on_it() -> None:
    page = methods_page()
    for name, kind in methods().items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert kind.summary in section and kind.paper.title in section
        for setting in method_settings(kind):
            assert f"`{setting.name}`" in section and setting.help in section
    for each in (*LEFT_OUT, *SAID_OTHERWISE):
        assert each.title in page and each.why.endswith(".")
    assert not {each.title for each in LEFT_OUT} & {kind.title for kind in methods().values()}


def test_the_command_line_prints_it() -> None:
    result = CliRunner().invoke(app, ["--list", "--markdown"])
    assert result.exit_code == 0 and result.stdout == methods_page()
