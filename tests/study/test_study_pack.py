"""A study as a zip and back: nothing is lost, nothing gets out of its folder, memory stays flat."""

import json
import stat
import zipfile
from pathlib import Path

import pytest

from study.errors import StudyError
from study.front import front
from study.keeping.pack import contents, pack, stream
from study.keeping.unpack import unpack
from study.study import open_study
from tests.conftest import run_command


def test_there_and_back_keeps_every_number(demo_copy: Path, tmp_path: Path) -> None:
    study = open_study(demo_copy)
    assert pack(study, tmp_path / "out.zip") == (tmp_path / "out.zip").stat().st_size
    back = unpack(tmp_path / "out.zip", tmp_path / "back")
    assert back.settings == study.settings and back.store.trials() == study.store.trials()
    assert front(back) == front(study)
    for name in contents(demo_copy):
        if name.suffix != ".sqlite":
            assert (back.folder / name).read_bytes() == (demo_copy / name).read_bytes(), name
    assert not (back.folder / "directions").exists() and not (back.folder / "worker.lock").exists()


def test_the_commands_pack_and_unpack(fresh_demo: Path, tmp_path: Path) -> None:
    done = run_command("pack", str(fresh_demo), str(tmp_path / "out.zip"), "--json")
    assert json.loads(done.stdout)["bytes"] > 0, done.stderr
    done = run_command("unpack", str(tmp_path / "out.zip"), str(tmp_path / "back"), "--json")
    assert json.loads(done.stdout)["name"] == open_study(fresh_demo).settings.name
    again = run_command("unpack", str(tmp_path / "out.zip"), str(tmp_path / "back"))
    assert again.returncode == 2 and "exists already" in again.stderr and again.stderr.count("\n") == 1


def test_a_large_file_streams_in_small_blocks(fresh_demo: Path) -> None:
    with open(fresh_demo / "large.bin", "wb") as file:
        file.truncate(64_000_000)
    assert max(len(block) for block in stream(open_study(fresh_demo))) < 3_000_000


def made(path: Path, names: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (mode if not name.endswith("study.yaml") else 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "a/../../evil", "a\\evil", "C:evil", "s/.bashrc", "nul\x01", "x" * 500],
)
def test_names_that_lead_outside_are_refused(fresh_demo: Path, tmp_path: Path, name: str) -> None:
    good = (fresh_demo / "study.yaml").read_bytes()
    archive = made(tmp_path / "bad.zip", {"s/study.yaml": good, name: b"x"})
    with pytest.raises(StudyError) as error:
        unpack(archive, tmp_path / "home" / "back")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and "fresh" not in str(path)] == ["bad.zip"]


def test_links_bombs_and_strangers_are_refused(fresh_demo: Path, tmp_path: Path) -> None:
    good = (fresh_demo / "study.yaml").read_bytes()
    cases = {
        "link or a device": made(tmp_path / "1.zip", {"study.yaml": good, "data": b"/etc"}, stat.S_IFLNK | 0o777),
        "times its size": made(tmp_path / "2.zip", {"study.yaml": good, "zeros.npy": bytes(30_000_000)}),
        "not a study": made(tmp_path / "3.zip", {"notes.txt": b"x"}),
        "twice": made(tmp_path / "4.zip", {"study.yaml": good, "a.npy": b"x", "A.npy": b"y"}),
        "unknown field": made(tmp_path / "5.zip", {"study.yaml": good.replace(b"seed:", b"sede:")}),
        "store of trials": made(tmp_path / "6.zip", {"study.yaml": good, "trials.sqlite": b"x" * 5000}),
    }
    (tmp_path / "7.zip").write_bytes(b"PK nonsense")
    for words, archive in {**cases, "not a readable zip": tmp_path / "7.zip"}.items():
        with pytest.raises(StudyError, match=words) as error:
            unpack(archive, tmp_path / "home" / "back")
        assert "\n" not in str(error.value) and ".incoming" not in str(error.value)
    assert list((tmp_path / "home").iterdir()) == []


def test_a_damaged_file_is_noticed(fresh_demo: Path, tmp_path: Path) -> None:
    pack(open_study(fresh_demo), tmp_path / "out.zip")
    content = bytearray((tmp_path / "out.zip").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "out.zip").write_bytes(content)
    with pytest.raises(StudyError, match="not a readable zip"):
        unpack(tmp_path / "out.zip", tmp_path / "back")
    assert not (tmp_path / "back").exists()
