"""Open a page as a visitor does, without a browser, and read it."""

from typing import Any

from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT


def visit(page: str, study: str | None = None, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=240)
    if study:
        app.query_params["study"] = study
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app.switch_page(f"ui/pages/{page}.py").run() if page != "home" else app


def texts(app: AppTest) -> str:
    parts: list[Any] = [*app.title, *app.markdown, *app.info, *app.error, *app.warning, *app.success, *app.caption]
    return "\n".join(str(part.value) for part in parts).replace("\\", "")
