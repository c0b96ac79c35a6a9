"""The download route: only offered files, only local hosts, ranges, no compression."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui import exports
from ui.routes import routes


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=routes()), base_url="http://localhost:8501")


@pytest.fixture
def link(tmp_path: Path) -> str:
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "secret.txt").write_text("no")
    links = exports.offer(tmp_path, ["model.safetensors", "absent.txt"])
    assert list(links) == ["model.safetensors"]
    assert exports.offer(tmp_path, ["model.safetensors"]) == links
    return links["model.safetensors"]


def test_the_file_comes_whole_and_uncompressed(client: TestClient, link: str) -> None:
    answer = client.get(link, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200 and len(answer.content) == 10240
    assert answer.headers["content-encoding"] == "identity"
    assert 'attachment; filename="model.safetensors"' in answer.headers["content-disposition"]


def test_ranges(client: TestClient, link: str) -> None:
    answer = client.get(link, headers={"Range": "bytes=256-259"})
    assert answer.status_code == 206 and answer.content == bytes([0, 1, 2, 3])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "localhost.evil.example", ""])
def test_other_hosts_are_refused(client: TestClient, link: str, host: str) -> None:
    assert client.get(link, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:8501", "[::1]"])
def test_this_computer_is_served(client: TestClient, link: str, host: str) -> None:
    assert client.get(link, headers={"Host": host}).status_code == 200


def test_nothing_else_can_be_reached(client: TestClient, link: str) -> None:
    token = link.split("/")[2]
    for path in ("secret.txt", "..%2Fsecret.txt", "%2e%2e/secret.txt", "absent.txt"):
        assert client.get(f"/exports/{token}/{path}").status_code == 404
    assert client.get("/exports/guess/model.safetensors").status_code == 404
