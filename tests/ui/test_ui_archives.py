"""Studies over HTTP: a download that a stranger cannot ask for, an upload that lands beside what is there."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from study.keeping import library
from tests.conftest import copied
from ui import archives
from ui.routes import routes


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured_demo: Path) -> TestClient:
    monkeypatch.setenv("MERGESCAPE_HOME", str(tmp_path / "studies"))
    copied(measured_demo, tmp_path / "studies" / "demo")
    return TestClient(Starlette(routes=routes()), base_url="http://localhost")


def test_out_and_in_again(client: TestClient) -> None:
    got = client.get(archives.offer("demo"))
    assert got.status_code == 200 and got.headers["content-encoding"] == "identity"
    answer = client.put(archives.door() + "?name=demo", content=got.content)
    assert answer.json() == {"key": "demo-2"}
    assert library.find("demo-2").store.trials() == library.find("demo").store.trials()


def test_strangers_and_wrong_files_are_refused(client: TestClient) -> None:
    assert client.get("/studies/demo").status_code == 404
    assert client.get(archives.offer("demo"), headers={"host": "evil.example"}).status_code == 404
    assert client.put("/studies/guess?name=x", content=b"x").status_code == 404
    wrong = client.put(archives.door() + "?name=x", content=b"not a zip")
    assert wrong.status_code == 400 and wrong.json()["error"].startswith("This file is not a readable zip file. ")
    assert [path.name for path in library.home().iterdir()] == ["demo"]
