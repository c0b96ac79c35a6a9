"""The report needs nothing else and shows names as text."""

import re

from ui.report import report

FRONT = {
    "tasks": [
        {"name": "a", "title": "A", "unit": "fraction", "direction": "max"},
        {"name": "b", "title": "B", "unit": "fraction", "direction": "max"},
    ],
    "predicted": [{"metrics": {"a": {"mean": 0.5}, "b": {"mean": 0.6}}}],
    "measured": [{"metrics": {"a": {"value": 0.4}, "b": {"value": 0.7}}}],
}


def test_the_report_is_one_page_that_stands_alone() -> None:
    export = {"coefficients": {"<b>x": 0.25}, "sha256": {"w.safetensors": "ab12"}, "licences": ["Base: <i>MIT"]}
    page = report(
        "<script>alert(1)</script>", "Task arithmetic", [{"Task": "A", "Checked": "40 %"}], export, "a: <b>", FRONT
    )
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page and "&lt;b&gt;x" in page
    assert "&lt;i&gt;MIT" in page and "40 %" in page and "ab12" in page and "0.25" in page
    assert not re.search(r'<(script|link|img|iframe)[^>]+(src|href)="?https?:', page)
