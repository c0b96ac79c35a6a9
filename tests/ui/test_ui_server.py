"""No path outside the allowed folders can be read or written through the browser, whatever it is that names it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from merging.files import remembered
from study.background import worker
from study.errors import StudyError
from study.folder.lock import only_worker
from study.headers import shapes
from study.keeping import library
from study.keeping.pack import pack
from study.server import allowance, cache, confined, outside, refuse_large
from study.settings import MethodChoice
from study.study import Study, open_study
from tests.conftest import copied, run_command
from ui import archives, copy, draft_settings, drafts, jobs, login
from ui import copy_server as told
from ui.routes import routes

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "demo" / "models" / "digits.safetensors"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server with one allowed folder, its studies folder, and a secret folder beside them."""
    for name in ("allowed", "studies", "secret"):
        (tmp_path / name).mkdir()
    for name in ("allowed", "secret"):
        shutil.copyfile(MODEL, tmp_path / name / "m.safetensors")
        (tmp_path / name / "data" / "one").mkdir(parents=True)
    (tmp_path / "allowed" / "link.safetensors").symlink_to(tmp_path / "secret" / "m.safetensors")
    (tmp_path / "allowed" / "folder").symlink_to(tmp_path / "secret")
    (tmp_path / "allowed" / "loop.safetensors").symlink_to("loop.safetensors")
    monkeypatch.setenv("MERGESCAPE_ROOTS", str(tmp_path / "allowed"))
    monkeypatch.setenv("MERGESCAPE_HOME", str(tmp_path / "studies"))
    return tmp_path


ATTACKS: dict[str, Callable[[Path], str]] = {
    "absolute": lambda place: f"{place}/secret/m.safetensors",
    "absent": lambda place: f"{place}/secret/absent.safetensors",
    "traversal": lambda place: f"{place}/allowed/../secret/m.safetensors",
    "deep traversal": lambda place: f"{place}/allowed/x/../../secret/m.safetensors",
    "link": lambda place: f"{place}/allowed/link.safetensors",
    "link to a folder": lambda place: f"{place}/allowed/folder/m.safetensors",
    "loop": lambda place: f"{place}/allowed/loop.safetensors",
    "prefix": lambda place: f"{place}/allowed-too/m.safetensors",
    "home": lambda place: "~/.ssh/id_rsa",
    "kernel": lambda place: "/proc/self/environ",
    "password": lambda place: "/etc/passwd",
    "quotes": lambda place: f'"{place}/secret/m.safetensors"',
    "relative": lambda place: os.path.relpath(place / "secret" / "m.safetensors"),
    "nul": lambda place: f"{place}/allowed/\0m.safetensors",
}


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest, place: Path) -> str:
    return ATTACKS[request.param](place)


def test_the_allowed_folder_is_usable(place: Path) -> None:
    good = str(place / "allowed" / "m.safetensors")
    assert drafts.file_problem("x", good) is None
    assert shapes(Path(good)) is not None
    assert drafts.models_in(str(place / "allowed")) == [Path(good)]
    assert confined(place / "studies" / "new") == place / "studies" / "new"


def test_a_typed_path_leads_nowhere_else(attack: str, place: Path) -> None:
    """And it is not told whether there is something."""
    clean = Path(attack.strip('"')).expanduser()
    line = drafts.file_problem("x", attack)
    assert line and ("outside the folders" in line or "not a path" in line)
    assert outside(clean) and shapes(clean) is None and not drafts.models_in(str(clean.parent / "."))[1:]
    assert drafts.glance_at("x", attack) is None
    good = str(place / "allowed" / "m.safetensors")
    rows = {"experts": 2, "expert_path_0": good, "expert_path_1": attack, "base": attack, "model": "ViT-B-32"}
    assert any("outside the folders" in one or "not a path" in one for one in drafts.model_problems(rows))
    assert drafts.task_problems({"tasks": 1, "task_data_0": attack})
    with pytest.raises(StudyError):
        draft_settings.settings_of({**rows, "tasks": 1, "task_data_0": good}, [MethodChoice(name="ties")])


FIELDS = ("base", "expert", "data", "head", "tokenizer", "model")


@pytest.mark.parametrize("field", FIELDS)
def test_an_imported_study_leads_nowhere_else(place: Path, measured_demo: Path, field: str) -> None:
    """A study from a stranger names files of the server: it is taken in, but neither shown, checked nor run."""
    taken = stranger(place, measured_demo, field)
    study = open_study(taken)
    texts = {
        "base": study.settings.base.weights, "expert": study.experts[0].weights, "data": study.tasks[0].data,
        "head": study.tasks[0].head or "", "tokenizer": study.settings.base.tokenizer or "",
        "model": study.settings.base.model,
    }  # fmt: skip
    with pytest.raises(StudyError, match="outside the folders"):
        study.path(texts[field])


def stranger(place: Path, measured_demo: Path, field: str) -> Path:
    made = copied(measured_demo, place / "secret" / f"made-{field}")
    settings = open_study(made).settings
    there = "../../secret/m.safetensors"
    base, expert, task = settings.base, settings.experts[0], settings.tasks[0]
    changed = {
        "base": {"base": base.model_copy(update={"weights": there})},
        "tokenizer": {"base": base.model_copy(update={"tokenizer": there})},
        "model": {"base": base.model_copy(update={"model": there})},
        "expert": {"experts": (expert.model_copy(update={"weights": there}), *settings.experts[1:])},
        "data": {"tasks": (task.model_copy(update={"data": there}), *settings.tasks[1:])},
        "head": {"tasks": (task.model_copy(update={"head": there}), *settings.tasks[1:])},
    }[field]
    study = Study(made, settings.model_copy(update=changed))
    study.save()
    pack(study, place / f"{field}.zip")
    return library.home() / library.take_in(place / f"{field}.zip", "x.zip")


def test_the_worker_of_an_imported_study_reads_nothing_outside(place: Path, measured_demo: Path) -> None:
    done = run_command("run", str(stranger(place, measured_demo, "expert")), "--trials", "20")
    assert done.returncode == 2
    assert "outside the folders that this server allows" in done.stderr and done.stderr.count("\n") == 1


def test_a_model_hub_is_left_alone(place: Path, measured_demo: Path) -> None:
    import torch

    from study.measuring.network import open_network

    settings = open_study(measured_demo).settings
    for name in ("hf-hub:owner/model", "owner/model", "local-dir:x"):
        study = Study(
            measured_demo, settings.model_copy(update={"base": settings.base.model_copy(update={"model": name})})
        )
        with pytest.raises(StudyError, match="neither fetches from a model hub"):
            open_network(study, torch.device("cpu"), bare=False)
    with pytest.raises(StudyError, match="nor publishes"):
        jobs.start_push(jobs.Export("x", place, "done", 0.0, {}, "ties", {}), "owner/model", True)


@pytest.mark.parametrize("name", ["../x", "../../secret/x", "/tmp/x", "a/b", ".x", "x.", "", "x\0", "x" * 99])
def test_an_export_goes_nowhere_else(place: Path, measured_demo: Path, name: str) -> None:
    study = open_study(copied(measured_demo, place / "studies" / "demo"))
    before = sorted(place.rglob("*"))
    with pytest.raises(StudyError, match="cannot be the name of an export"):
        jobs.start_export(study, {"digits": 1.0, "signs": 0.0, "flags": 0.0}, "task_arithmetic", name, "as base")
    assert [path for path in place.rglob("*") if path not in before] in ([], [study.folder / "exports"])


@pytest.mark.parametrize("key", ["../secret", "/etc", "..", ".", "a/../../secret", "out", "%2e%2e", "x\0", "~"])
def test_the_address_opens_no_other_study(place: Path, fresh_demo: Path, key: str) -> None:
    shutil.copytree(fresh_demo, place / "secret" / "demo")
    (place / "studies" / "out").symlink_to(place / "secret" / "demo")
    with pytest.raises(StudyError):
        library.find(key)


def test_the_pages_say_so(place: Path, fresh_demo: Path) -> None:
    (place / "studies" / "out").symlink_to(fresh_demo)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=240)
    app.query_params["study"] = "out"
    shown = app.run().switch_page("ui/pages/experts.py").run()
    assert not shown.exception and any("outside the folders" in one.value for one in shown.warning)
    app.query_params.clear()
    app.session_state["study"] = None
    shown = app.switch_page("ui/pages/experts.py").run()
    shown.text_input(key="draft-base").set_value("/etc/passwd").run()
    assert any("outside the folders" in one.value for one in shown.error)
    shown = app.switch_page("ui/pages/server.py").run()
    assert not shown.exception
    assert str(place / "allowed") in shown.code[0].value and told.ROOTS in [one.value for one in shown.markdown]


@pytest.mark.parametrize("named", ["", "~/kept", None])
def test_the_page_says_where_fingerprints_are_kept(
    place: Path, named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same folder as the one that they are kept in, which is decided where torch is loaded."""
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv(remembered.CACHE)
    if named is not None:
        monkeypatch.setenv(remembered.CACHE, named)
    kept = cache()
    assert kept == remembered.folder() and (kept is None) == (named == "")
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=240)
    shown = app.run().switch_page("ui/pages/server.py").run()
    assert not shown.exception
    assert (told.NOT_KEPT if kept is None else told.KEPT) in [one.value for one in shown.markdown]
    assert [one.value for one in shown.code][1:] == ([] if kept is None else [str(kept)])


def test_a_study_sent_in_is_limited_and_writes_nowhere_else(
    place: Path, fresh_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestClient(Starlette(routes=routes()), base_url="http://localhost:8501")
    assert client.put("/studies/guess", content=b"x").status_code == 404
    for address in ("/studies/../../etc/passwd", "/exports/guess/../../etc/passwd", "/exports/guess/%2e%2e/x"):
        assert client.get(address).status_code == 404
    pack(open_study(fresh_demo), place / "in.zip")
    data = (place / "in.zip").read_bytes()
    answer = client.put(f"{archives.door()}?name=../../secret/evil.zip", content=data)
    assert (place / "studies" / answer.json()["key"] / "study.yaml").exists()
    monkeypatch.setenv("MERGESCAPE_MAX_UPLOAD", "1")
    answer = client.put(archives.door(), content=data + bytes(1_000_000))
    assert answer.status_code == 413 and "up to 1 MB" in answer.json()["error"]
    assert sorted(path.name for path in (place / "secret").iterdir()) == ["data", "m.safetensors"]
    assert not list((place / "studies").glob(".*"))


def test_limits_on_size_and_jobs(place: Path, fresh_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(fresh_demo, place / "studies" / "demo"))
    monkeypatch.setenv("MERGESCAPE_MAX_STUDY", "1")
    with pytest.raises(StudyError, match="this server allows 1 MB"):
        worker.start(folder)
    monkeypatch.setenv("MERGESCAPE_MAX_STUDY", "1000")
    refuse_large(folder)
    monkeypatch.setenv("MERGESCAPE_MAX_JOBS", "1")
    other = Path(shutil.copytree(fresh_demo, place / "studies" / "other"))
    with only_worker(other), pytest.raises(StudyError, match="allows 1 at a time"):
        worker.start(folder)
    monkeypatch.setenv("MERGESCAPE_MAX_JOBS", "many")
    with pytest.raises(StudyError, match="MERGESCAPE_MAX_JOBS is 'many'"):
        allowance()


def test_open_to_others_means_the_studies_folder_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERGESCAPE_ROOTS", "to be put back as it was")
    monkeypatch.delenv("MERGESCAPE_ROOTS")
    monkeypatch.setenv("MERGESCAPE_HOME", str(tmp_path))
    login.close_in()
    assert allowance().roots is None and not login.is_open()
    monkeypatch.setattr(login, "address", lambda: "0.0.0.0")
    login.close_in()
    assert allowance().roots == (tmp_path.resolve(), ROOT / "demo")


def test_who_may_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MERGESCAPE_USERS", raising=False)
    assert not login.configured() and login.may_enter({})
    monkeypatch.setenv("MERGESCAPE_USERS", "Ada@example.org, bob@example.org")
    assert login.may_enter({"email": "ada@EXAMPLE.org"})
    assert not login.may_enter({"email": "eve@example.org"}) and not login.may_enter({})
    assert not login.may_enter({"email": "bob@example.org", "email_verified": False})


def test_no_secret_is_written(place: Path, fresh_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hf_" + "s3cr3t" * 6
    monkeypatch.setenv("HF_TOKEN", secret)
    folder = Path(shutil.copytree(fresh_demo, place / "studies" / "demo"))
    out = run_command("export", str(folder), "--at", "digits=1,signs=0,flags=0", "--out", str(place / "studies" / "o"))
    assert out.returncode == 0, out.stderr
    assert secret not in out.stdout + out.stderr
    written = [path for path in (place / "studies").rglob("*") if path.is_file()]
    assert len(written) > 15 and not any(secret.encode() in path.read_bytes() for path in written)


def test_the_server_listens_to_this_computer_unless_told() -> None:
    assert login.address() == "127.0.0.1"
    assert copy.NAV["server"] == told.TITLE
