import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merging import MergingError, open_tensors, reference, task_vectors, write
from merging.files.writing import Slot, atomic

STATE = {
    "b": torch.randn(3, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16),
    "a": torch.randn(2, 5, generator=torch.Generator().manual_seed(1)),
    "n": torch.arange(3, dtype=torch.int8),
    "s": torch.tensor(2.5, dtype=torch.float64),
    "empty": torch.zeros(0, 4),
    "flag": torch.tensor(True),
}


def same(found, wanted=STATE) -> None:
    assert sorted(found) == sorted(wanted)
    for key, tensor in wanted.items():
        assert found[key].dtype == tensor.dtype and torch.equal(found[key], tensor)


def read(path: Path) -> dict[str, torch.Tensor]:
    with open_tensors(path) as tensors:
        for key in tensors.keys():  # noqa: SIM118
            assert tensors.shape(key) == tuple(tensors.get(key).shape)
            assert tensors.dtype(key) == tensors.get(key).dtype
        return {key: tensors.get(key).clone() for key in tensors.keys()}  # noqa: SIM118


def test_what_is_written_can_be_read_by_others_and_by_us(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.safetensors"
    digest = write(path, STATE, {"format": "pt", "z": "1", "a": "ü"})
    same(load_file(path))
    same(read(path))
    assert path.stat().st_mode & 0o777 == 0o644
    assert len(digest) == 64 and os.listdir(path.parent) == ["x.safetensors"]
    reordered = dict(sorted(STATE.items(), reverse=True))
    assert write(path, iter(reordered.items()), {"a": "ü", "z": "1", "format": "pt"}) == digest
    with open_tensors(path) as tensors:
        assert tensors.metadata == {"format": "pt", "z": "1", "a": "ü"}


def test_every_container_has_the_same_fingerprint(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    torch.save(STATE, tmp_path / "x.pt")
    torch.save(STATE, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in STATE.items()}}, tmp_path / "c.pt")
    shards = tmp_path / "shards"
    shards.mkdir()
    names = sorted(STATE)
    for number, keys in enumerate((names[:3], names[3:])):
        save_file({key: STATE[key] for key in keys}, shards / f"m-{number}.safetensors")
    weight_map = {key: f"m-{int(place >= 3)}.safetensors" for place, key in enumerate(names)}
    (shards / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    folder = tmp_path / "folder"
    folder.mkdir()
    save_file(STATE, folder / "model.safetensors")
    paths = [tmp_path / "x.safetensors", tmp_path / "x.pt", tmp_path / "old.bin", tmp_path / "c.pt", shards, folder]
    assert len({reference("m", path).fingerprint for path in paths}) == 1
    for path in paths:
        same(read(path))
    changed = {**STATE, "n": STATE["n"] + 1}
    save_file(changed, tmp_path / "y.safetensors")
    assert reference("m", tmp_path / "y.safetensors").fingerprint != reference("m", paths[0]).fingerprint


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch HARM",)


def refused(path: Path, *words: str) -> None:
    with pytest.raises(MergingError) as caught:
        reference("svhn", path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"w": Harmful()}, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", "run code", "python -m study convert")
    (tmp_path / "y.pt").write_bytes(pickle.dumps({"w": Harmful()}))
    refused(tmp_path / "y.pt", "y.pt")
    assert not (tmp_path / "HARM").exists()


def test_bad_checkpoints_are_refused_by_name(tmp_path: Path) -> None:
    refused(tmp_path / "absent.safetensors", "no checkpoint", "absent")
    (tmp_path / "x.txt").write_text("hello")
    refused(tmp_path / "x.txt", "'.txt'", "safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0nonsense")
    refused(tmp_path / "broken.safetensors", "not a readable safetensors file")
    (tmp_path / "broken.pt").write_bytes(b"nonsense")
    refused(tmp_path / "broken.pt", "broken.pt")
    (tmp_path / "none").mkdir()
    refused(tmp_path / "none", "no weight file")
    (tmp_path / "none" / "adapter_config.json").write_text("{}")
    refused(tmp_path / "none", "LoRA")
    (tmp_path / "none" / "model.safetensors.index.json").write_text('{"weight_map": {"w": "gone.safetensors"}}')
    refused(tmp_path / "none", "gone.safetensors")
    torch.save({"w": torch.ones(2), "step": 3}, tmp_path / "step.pt")
    refused(tmp_path / "step.pt", "'step'")
    torch.save({"w": torch.ones(2, dtype=torch.complex64)}, tmp_path / "complex.pt")
    refused(tmp_path / "complex.pt", "'w'", "complex64")
    save_file({}, tmp_path / "empty.safetensors")
    refused(tmp_path / "empty.safetensors", "no tensors")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_numbers_that_are_not_finite_are_refused_by_tensor(bad: float, dtype, tmp_path: Path) -> None:
    tensor = torch.ones(5000, dtype=dtype)
    tensor[4321] = bad
    save_file({"fine": torch.ones(2), "layers.3.weight": tensor}, tmp_path / "x.safetensors")
    refused(tmp_path / "x.safetensors", "'svhn'", "'layers.3.weight'", "1 value")


@pytest.mark.parametrize("name", ["", " a", "a,b", "a=b", "a/b"])
def test_names_that_break_the_command_line_are_refused(name: str, tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    with pytest.raises(MergingError, match="name of a checkpoint"):
        reference(name, tmp_path / "x.safetensors")


def expert_against_base(folder: Path, change) -> str:
    base = {"visual.proj": torch.ones(3, 2), "n": torch.arange(2)}
    save_file(base, folder / "base.safetensors")
    expert = dict(base)
    change(expert)
    save_file(expert, folder / "svhn.safetensors")
    checkpoints = [reference(name, folder / f"{name}.safetensors") for name in ("base", "svhn")]
    with pytest.raises(MergingError) as caught:
        task_vectors(checkpoints[0], checkpoints[1:])
    return str(caught.value)


def test_experts_that_do_not_fit_are_refused_by_expert_and_tensor(tmp_path: Path) -> None:
    def misshape(state) -> None:
        state["visual.proj"] = torch.ones(4, 2)

    def integers(state) -> None:
        state["visual.proj"] = torch.ones(3, 2, dtype=torch.int64)

    message = expert_against_base(tmp_path, misshape)
    assert "Expert 'svhn' does not match base 'base': 'visual.proj' has shape (4, 2), base has (3, 2)." in message
    assert "fine-tuned from the same base" in message
    assert "lacks 'visual.proj'" in expert_against_base(tmp_path, lambda state: state.pop("visual.proj"))
    assert "'extra'" in expert_against_base(tmp_path, lambda state: state.update(extra=torch.ones(1)))
    assert "int64" in expert_against_base(tmp_path, integers)


def test_same_names_are_refused_and_same_weights_noted(families) -> None:
    group = families(2)
    with pytest.raises(MergingError, match="Two experts are called 'e0'"):
        task_vectors(group.base, (group.experts[0], group.experts[0]))
    with pytest.raises(MergingError, match="no expert"):
        task_vectors(group.base, ())
    twin = reference("twin", group.experts[0].path)
    still = reference("still", group.base.path)
    with task_vectors(group.base, (*group.experts, twin, still)) as vectors:
        assert len(vectors.notes) == 2 and "'e0'" in vectors.notes[0] and "'still'" in vectors.notes[1]


def test_the_layout_is_sorted_and_aligned(families) -> None:
    group = families(2)
    with task_vectors(group.base, group.experts) as vectors:
        names = [entry.name for entry in vectors.layout.entries]
        assert names == sorted(names) and vectors.others == ("flags", "position_ids")
        assert all(entry.offset % 16 == 0 for entry in vectors.layout.entries)
        flat = vectors.base()
        assert flat.numel() == vectors.layout.size
        for entry in vectors.layout.entries:
            assert torch.equal(vectors.layout.view(flat, entry), vectors.base_tensor(entry.name))
        assert vectors.layout.parameters == sum(entry.numel for entry in vectors.layout.entries)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write(path, {"w": torch.ones(3)}, {})
    before = path.read_bytes()

    def failing():
        yield "w", torch.zeros(3)
        raise OSError("disk full")

    plan = [Slot("w", torch.float32, (3,)), Slot("z", torch.float32, (3,))]
    with pytest.raises(OSError, match="disk full"):
        write(path, failing(), {}, plan)
    with pytest.raises(MergingError, match="does not fit"):
        write(path, iter([("w", torch.zeros(4))]), {}, plan[:1])
    with pytest.raises(KeyboardInterrupt), atomic(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.safetensors"]
