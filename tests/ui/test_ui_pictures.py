"""The pictures that the explorer shows: one sheet per task, only by a token that a page has made."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from study.choosing.gallery import look, picture
from study.keeping import library
from ui import pictures
from ui.routes import routes


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=routes()), base_url="http://localhost:8501")


def test_a_sheet_holds_the_very_samples(
    client: TestClient, measured_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERGESCAPE_HOME", str(measured_demo.parent))
    study = library.find(measured_demo.name)
    middle = {"digits": 0.4, "signs": 0.4, "flags": 0.4}
    ids = look(study, study.method(), middle, "signs").ids[:3]
    link = pictures.address(study.folder.name, "signs", ids)
    assert pictures.address(study.folder.name, "signs", ids) == link
    answer = client.get(link)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    sheet = Image.open(io.BytesIO(answer.content))
    assert sheet.size == (3 * pictures.SIDE, pictures.SIDE)
    second = picture(study, "signs", ids[1])
    assert not isinstance(second, str)
    shown = sheet.crop((pictures.SIDE, 0, 2 * pictures.SIDE, pictures.SIDE)).resize(
        second.size, Image.Resampling.NEAREST
    )
    assert np.abs(np.asarray(shown, int) - np.asarray(second.convert("RGB"), int)).mean() < 4
    assert client.get(link, headers={"host": "evil.example"}).status_code == 403


def test_an_unknown_token_and_a_vanished_study(client: TestClient) -> None:
    assert client.get("/pictures/nothing.png").status_code == 404
    gone = client.get(pictures.address("no such study", "digits", ("1",)))
    assert gone.status_code == 404 and "no such study" in gone.text
