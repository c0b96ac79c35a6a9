"""What is taken home: open_clip loads it as it is, it measures what was shown, and anybody can rebuild it."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from study.exporting.loading import loading
from tests.conftest import as_json, copied, run_command

AT = "digits=0.5,signs=0.6,flags=0.6"


@pytest.fixture(scope="module")
def exported(measured_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One export of the shared demo; it adds a trial to a copy, never to the shared study."""
    place = tmp_path_factory.mktemp("export")
    copied(measured_demo, place / "study")
    value = as_json("export", str(place / "study"), "--at", AT, "--out", str(place / "out"))
    return place / "out", value


def test_the_export_says_what_it_wrote(exported: tuple[Path, dict[str, Any]]) -> None:
    out, value = exported
    assert value["out"] == str(out) and value["recipe"] == str(out / "recipe.yaml")
    assert {"open_clip_model.safetensors", "heads/digits.safetensors"} <= set(value["sha256"])
    assert all(metric["n"] == 500 for metric in value["metrics"].values())
    for name in ("open_clip_model.safetensors", "open_clip_config.json", "README.md", "recipe.yaml"):
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o644
    card = (out / "README.md").read_text()
    assert loading(out) in card
    assert "base_model_relation: merge" in card and "2212.04089" in card
    for task, metric in value["metrics"].items():
        assert f"{metric['value']:.3f}" in card, task


def test_open_clip_loads_it_and_measures_what_was_shown(exported: tuple[Path, dict[str, Any]]) -> None:
    """Only open_clip, the file and the pictures: none of our own code between them."""
    import open_clip
    from PIL import Image

    out, value = exported
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    model.eval()
    study = out.parent / "study"
    for task in ("digits", "flags"):
        facts = json.loads((study / "tasks" / task / "sheet.json").read_text())
        sheet = Image.open(study / "tasks" / task / "sheet.png").convert("RGB")
        record = json.loads(next((study / "samples" / task).glob("samples-*.json")).read_text())
        ids = [int("".join(filter(str.isdigit, one))) for one in _ids(record, "test")]
        side, columns = facts["tile"], facts["columns"]
        corners = [(i % columns * side, i // columns * side) for i in ids]
        tiles = [sheet.crop((x, y, x + side, y + side)) for x, y in corners]
        with torch.inference_mode():
            features = model.encode_image(torch.stack([preprocess(tile) for tile in tiles]), normalize=True)
            logits = features @ load_file(out / "heads" / f"{task}.safetensors")["weight"].T
        told: dict[str, Any] = {"picture": tiles[0]}
        exec(loading(out, str(out), task), told)
        assert told["logits"].detach().numpy() == pytest.approx(logits[:1].numpy(), abs=1e-4)
        right = np.asarray(logits.argmax(dim=1)) == np.array(facts["labels"])[ids]
        assert right.mean() == pytest.approx(value["metrics"][task]["value"], abs=1e-9)


def _ids(record: dict[str, Any], split: str) -> list[str]:
    found = record["splits"][split]
    ids = found["ids"] if isinstance(found, dict) else found
    return [str(one) for one in ids]


def test_verify_rebuilds_the_same_bytes(exported: tuple[Path, dict[str, Any]]) -> None:
    out, value = exported
    checked = as_json("verify", str(out), fresh=True)  # with another hash seed, too
    assert checked["identical"] is True and checked["metrics_equal"] is True
    assert checked["sha256"] == value["sha256"]


def test_verify_notices_one_changed_bit_in_an_export_that_has_moved(
    exported: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, _ = exported
    shutil.copytree(out, tmp_path / "out")
    there = ("verify", str(tmp_path / "out"), "--study", str(out.parent / "study"))
    assert as_json(*there)["identical"]
    lost = run_command("verify", str(tmp_path / "out"))
    assert lost.returncode == 2 and lost.stderr.count("\n") == 1
    path = tmp_path / "out" / "open_clip_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    done = run_command(*there, "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["identical"] is False


def test_a_one_hot_export_is_the_expert(exported: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Task arithmetic with coefficient 1 for one expert gives that expert's weights back (fp16: bit for bit)."""
    study = exported[0].parent / "study"
    out = tmp_path / "expert"
    as_json("export", str(study), "--at", "digits=1,signs=0,flags=0", "--out", str(out))
    merged = load_file(out / "open_clip_model.safetensors")
    expert = load_file(study / "models" / "digits.safetensors")
    assert set(merged) == set(expert)
    for name, tensor in expert.items():
        assert torch.equal(merged[name], tensor), name


def test_another_format_is_measured_as_it_is_written(exported: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    study = exported[0].parent / "study"
    out = tmp_path / "full"
    as_json("export", str(study), "--at", AT, "--out", str(out), "--format", "float32")
    merged = load_file(out / "open_clip_model.safetensors")
    assert {tensor.dtype for tensor in merged.values()} == {torch.float32}
    assert as_json("verify", str(out))["identical"]


def test_nothing_half_written_is_left(exported: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    study = exported[0].parent / "study"
    (tmp_path / "block").write_text("a file where the folder should go")
    done = run_command("export", str(study), "--at", AT, "--out", str(tmp_path / "block"))
    assert done.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["block"]
