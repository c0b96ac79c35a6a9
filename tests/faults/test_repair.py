"""Damaged files are named one by one; what is readable is rescued; nothing is deleted."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from study.errors import Failure, StudyError
from study.folder.schema import SCHEMA
from study.folder.store import Store
from study.folder.trial import Measured
from study.folder.writing import replacing, sweep
from study.keeping.repair import repair
from study.keeping.salvage import salvage
from study.measuring.outputs import load_outputs
from study.study import open_study
from tests.conftest import ROOT
from tests.faults.disks import may_mount
from tests.faults.rig import Rig, content, sha256

KEPT = (".npz", ".npy", ".f32", ".json", ".yaml", ".safetensors", ".png")


def test_a_sound_study_is_left_as_it_is(rig: Rig) -> None:
    folder = rig.copy()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix in KEPT}
    value = repair(folder)
    assert value["found"] == [] and value["lost"] == value["again"] == 0 and value["done"] == len(rig.rows)
    assert {path: path.read_bytes() for path in before} == before


def test_damaged_outputs_are_measured_again_and_come_out_the_same(rig: Rig) -> None:
    folder = rig.copy()
    first, second, *_ = (row[0] for row in rig.rows)
    (folder / "outputs" / f"{first}.validation.npz").write_bytes(b"PK\x03\x04 no longer what it was")
    (folder / "outputs" / f"{second}.validation.npz").unlink()
    with pytest.raises(StudyError, match=f"{first}.validation.npz is damaged.*repair"):
        load_outputs(open_study(folder), first)
    value = repair(folder)
    assert [(one["file"], one["problem"]) for one in value["found"]] == [
        (f"outputs/{first}.validation.npz", "its content is not what was written"),
        (f"outputs/{second}.validation.npz", "it is missing"),
    ]
    assert value["again"] == 2
    assert list((folder / "damaged").rglob(f"{first}.validation.npz"))
    assert rig.run(folder).code == 0
    assert content(folder) == rig.rows


def test_every_file_is_checked_and_named(rig: Rig) -> None:
    folder = rig.copy()
    (folder / "fingerprints.json").write_text("{")
    next((folder / "directions").glob("*.f32")).write_bytes(b"short")
    next((folder / "samples").glob("*/*.npy")).write_bytes(b"no array")
    names = [one["file"].split("/")[0] for one in repair(folder)["found"]]
    assert names == ["fingerprints.json", "directions", "samples"]
    assert rig.run(folder).code == 0
    assert content(folder) == rig.rows


def test_a_wrong_study_file_is_told_and_left(rig: Rig) -> None:
    folder = rig.copy()
    (folder / "study.yaml").write_text("name: [")
    (told,) = repair(folder)["found"]
    assert told["file"] == "study.yaml" and "line 1" in told["problem"]
    assert (folder / "study.yaml").read_text() == "name: ["


def test_rows_are_read_without_sqlite_from_file_and_journal(tmp_path: Path) -> None:
    """The reader of pages finds what SQLite wrote, long texts on overflow pages and an open journal included."""
    store = Store(tmp_path / "trials.sqlite", "context")
    with closing(sqlite3.connect(store.path)) as held:  # keeps the journal from being folded in
        held.execute("SELECT 1 FROM trials").fetchall()
        for number in range(40):
            name = f"{number:012x}"
            store.propose(name, "m", {"long": "x" * 300 * number}, {"a": number / 7}, "design")
            store.finish(
                name, {"t": Measured("accuracy", number / 3, 0.0, 9)}, {"merge": 1, "forward": 2.5, "other": 0}
            )
        assert (tmp_path / "trials.sqlite-wal").stat().st_size > 0
        found = salvage(store.path)
    with closing(sqlite3.connect(store.path)) as db:
        assert sorted(found.trials.values()) == sorted(db.execute("SELECT * FROM trials"))
        assert sorted(found.measurements.values()) == sorted(db.execute("SELECT * FROM measurements"))


def test_a_newer_schema_is_refused_by_repair_too(rig: Rig) -> None:
    folder = rig.copy()
    with closing(sqlite3.connect(folder / "trials.sqlite")) as db, db:
        db.execute("UPDATE meta SET value = ?", (str(SCHEMA + 1),))
    before = content(folder)
    with pytest.raises(StudyError, match="nothing was changed"):
        repair(folder)
    assert content(folder) == before


def test_an_older_study_is_migrated_and_a_copy_kept(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    Store(path, "c").propose("a", "m", {}, {"x": 0.1}, "design")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE outputs")
        db.execute("ALTER TABLE trials DROP COLUMN fidelity")
        db.execute("UPDATE meta SET value = '1'")
    store = Store(path, "c")
    assert [trial.id for trial in store.trials()] == ["a"]
    assert store.outputs() == {}
    with closing(sqlite3.connect(tmp_path / "trials.schema-1.sqlite")) as old:
        assert old.execute("SELECT id FROM trials").fetchall() == [("a",)]
        assert old.execute("SELECT value FROM meta").fetchall() == [("1",)]


def test_many_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    with ThreadPoolExecutor(12) as pool:
        for store in pool.map(lambda _: Store(path, "c"), range(24)):
            assert store.trials() == []


def test_a_study_on_a_read_only_disk_can_be_looked_at(rig: Rig, tmp_path: Path) -> None:
    why_not = may_mount()
    if why_not:
        pytest.skip(f"no disk can be mounted here: {why_not}")
    folder = rig.copy()
    code = (
        "import sys; from study.study import open_study; from study.status import status;"
        "print(status(open_study(sys.argv[1]))['done'])"
    )
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, "-", str(folder), sys.executable, code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == str(len(rig.rows)), done.stderr


def test_only_old_drafts_are_swept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.npz"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    for name in (".a.npz.abcd1234.part", ".b.json.k_9x2y1z", ".mine.txt", "c.npz"):
        (tmp_path / name).write_bytes(b"")
    assert sweep(tmp_path) == []
    old = (tmp_path / "c.npz").stat().st_mtime - 7200
    for path in tmp_path.iterdir():
        os.utime(path, (old, old))
    assert sorted(path.name for path in sweep(tmp_path)) == [".a.npz.abcd1234.part", ".b.json.k_9x2y1z"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.txt", "c.npz"]


def test_a_locked_store_is_said_to_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "trials.sqlite", "c")
    whole = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: whole(path, **{**more, "timeout": 0.05}))
    with closing(whole(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Failure, match="locked by another program"):
            store.propose("a", "m", {}, {"x": 0.1}, "design")


def test_outputs_are_the_same_bytes_every_time(rig: Rig) -> None:
    study, again = open_study(rig.twin), rig.fresh()
    assert rig.run(again).code == 0
    digests = study.store.outputs()
    assert digests == open_study(again).store.outputs() and len(digests) == len(rig.rows)
    for (trial, split), digest in digests.items():
        path = study.folder / "outputs" / f"{trial}.{split}.npz"
        with np.load(path) as file:
            assert sorted(file.files) == ["digits", "flags"]
        assert sha256(path) == digest
