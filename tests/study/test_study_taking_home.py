"""Licences are read, never guessed; nothing goes to a hub without a token, and every refusal is one line."""

from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from study.errors import StudyError
from study.exporting import hub
from study.exporting.licences import licences
from study.study import Study, open_study
from tests.conftest import run_command


def found(study: Study) -> dict[str, str | None]:
    return {one.part: one.licence for one in licences(study)}


def test_licences_come_from_the_weights_own_files(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    assert found(study)["base"] == "see ATTRIBUTION.md"
    path = fresh_demo / "models" / "digits.safetensors"
    save_file(load_file(path), path, {"license": "CC-BY-4.0"})
    assert found(study)["digits"] == "CC-BY-4.0"
    (fresh_demo / "models" / "README.md").write_text("---\nlicense: mit\n---\nA model.\n")
    assert found(study) == {"base": "mit", "digits": "CC-BY-4.0", "signs": "mit", "flags": "mit"}


def test_an_unstated_licence_is_unknown(fresh_demo: Path) -> None:
    (fresh_demo / "ATTRIBUTION.md").unlink()
    (fresh_demo / "models" / "README.md").write_text("---\nlicense: [\n---\n")
    assert set(found(open_study(fresh_demo)).values()) == {None}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / hub.FACTS).write_text("{}")
    return tmp_path / "out"


def test_without_a_token_nothing_is_sent(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "nobody" / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # In a fresh interpreter: the hub's library reads HF_HOME when it is loaded.
    refused = run_command("push", str(export), "my-mix", fresh=True)
    assert refused.returncode == 2 and refused.stderr.startswith("You are not logged in") and not refused.stdout
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("repo", ["", "a/b/c", "../x", "a b", "-x"])
def test_bad_names_are_refused_before_anything_is_sent(export: Path, repo: str) -> None:
    with pytest.raises(StudyError, match="no name for a model"):
        hub.push(export, repo)


def test_what_the_hub_answers_is_one_line(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that nobody gave out, and a hub at a closed port of this computer."""
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StudyError, match="The hub refused 'me/mix'") as error:
        hub.push(export, "me/mix")
    assert "\n" not in str(error.value)


def test_only_exports_are_pushed(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not an export"):
        hub.push(tmp_path, "mix")
