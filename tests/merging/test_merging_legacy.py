"""Whole-module pickles of the field's legacy checkpoints: every number read, nothing in them run."""

import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from merging import MergingError, open_tensors, write
from merging.files.legacy import convert, read_legacy

# Said while the older container is written: it looks for the source of a class.
pytestmark = pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")


@pytest.fixture
def src() -> Iterator[types.ModuleType]:
    """A module `src.modeling` as those repositories have it; gone when the file is read."""
    made = types.ModuleType("src.modeling")

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 4, 2, bias=False)
            self.norm = nn.BatchNorm1d(4)
            self.tied = self.norm.weight
            self.register_buffer("mask", torch.ones(2), persistent=False)

    class Clip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = Tower()
            self.logit_scale = nn.Parameter(torch.tensor(2.0))

    class ImageEncoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Clip()
            self.cache_dir = Path("here")

    for kind in (Tower, Clip, ImageEncoder):
        kind.__module__, kind.__qualname__ = "src.modeling", kind.__name__
        setattr(made, kind.__name__, kind)
    sys.modules["src"], sys.modules["src.modeling"] = types.ModuleType("src"), made
    yield made
    for name in ("src", "src.modeling"):
        sys.modules.pop(name, None)


def _saved(src: Any, path: Path, zipped: bool, protocol: int = 2) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = src.ImageEncoder()
    torch.save(network, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    for name in ("src", "src.modeling"):
        del sys.modules[name]
    return {key.removeprefix("model."): one for key, one in network.state_dict().items()}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickled_module_gives_its_state_dict(tmp_path: Path, src: Any, zipped: bool, protocol: int) -> None:
    expected = _saved(src, tmp_path / "old.pt", zipped, protocol)
    with pytest.raises(MergingError, match="would run code when opened.*python -m study convert"):
        open_tensors(tmp_path / "old.pt")
    done = convert(tmp_path / "old.pt", tmp_path / "new.safetensors")
    assert {"src.modeling.ImageEncoder", "torch.nn.modules.conv.Conv2d"} <= set(done.stubs)
    with open_tensors(tmp_path / "new.safetensors") as found:
        assert found.keys() == sorted(expected)
        assert all(torch.equal(found.get(key), one) for key, one in expected.items())
    assert "src.modeling" not in sys.modules


def test_what_it_lacks_comes_from_a_whole_checkpoint(tmp_path: Path, src: Any) -> None:
    _saved(src, tmp_path / "old.pt", True)
    write(tmp_path / "whole.safetensors", {"logit_scale": torch.tensor(7.0), "text.weight": torch.ones(3)}, {})
    done = convert(tmp_path / "old.pt", tmp_path / "new.safetensors", tmp_path / "whole.safetensors")
    assert done.completed == 1
    with open_tensors(tmp_path / "new.safetensors") as found:
        assert found.get("logit_scale") == 2.0 and found.get("text.weight").sum() == 3
    write(tmp_path / "other.safetensors", {"visual.conv1.weight": torch.ones(3)}, {})
    with pytest.raises(MergingError, match=r"of shape \(4, 3, 2, 2\), .* Complete it with"):
        convert(tmp_path / "old.pt", tmp_path / "no.safetensors", tmp_path / "other.safetensors")
    assert not (tmp_path / "no.safetensors").exists()


class Attack:
    """Runs a command when unpickled by anything that runs what it reads."""

    def __init__(self, function: Any, *given: Any) -> None:
        self.parts = function, given

    def __reduce__(self) -> Any:
        return self.parts


def _attacks(mark: Path) -> list[Any]:
    import builtins
    import os
    import subprocess

    code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    return [
        Attack(os.system, f"touch {mark}"),
        Attack(builtins.eval, code),
        Attack(builtins.exec, code),
        Attack(subprocess.check_call, ["touch", str(mark)]),
        Attack(builtins.getattr, os, "system"),
        Attack(Path.touch, mark),
        Attack(torch.load, str(mark)),
    ]


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(tmp_path: Path, zipped: bool) -> None:
    mark = tmp_path / "mark"
    tried = 0
    for number, attack in enumerate(_attacks(mark)):
        path = tmp_path / f"{number}.pt"
        try:
            torch.save({"weight": torch.ones(2), "attack": attack}, path, _use_new_zipfile_serialization=zipped)
        except (TypeError, pickle.PicklingError):
            continue
        tried += 1
        state, stubs = read_legacy(path)
        assert not mark.exists() and stubs and set(state) == {"weight"}
    assert tried >= 5, "the attacks could not be written"
    torch.save(Attack(eval, "1"), tmp_path / "only.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(MergingError, match="holds no tensors"):
        read_legacy(tmp_path / "only.pt")
    # The attacks do work on what runs them.
    pickle.loads(pickle.dumps(_attacks(mark)[1]))
    assert mark.exists()


def test_files_that_are_none_are_refused_in_one_line(tmp_path: Path, src: Any) -> None:
    _saved(src, tmp_path / "old.pt", False)
    whole = (tmp_path / "old.pt").read_bytes()
    for content in (b"", b"hello", whole[:100], whole[:-5], pickle.dumps([1, 2]), b"PK\x03\x04" + whole):
        (tmp_path / "bad.pt").write_bytes(content)
        with pytest.raises(MergingError) as caught:
            read_legacy(tmp_path / "bad.pt")
        assert "\n" not in str(caught.value)
    with pytest.raises(MergingError, match="cannot be read"):
        read_legacy(tmp_path / "absent.pt")
