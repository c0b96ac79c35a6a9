"""Whole-module pickles of old CLIP checkpoints, read without running anything in them.

`torch.save(model)` stores classes by name and tensors beside them. Here every name becomes an inert stub, whatever it
is: a class, `os.system`, `eval`. Only the numbers are kept, under the names that `state_dict()` would give them.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.files.tensors import open_tensors
from merging.files.writing import write

MAGIC = 0x1950A86A20F9469CFC6C  # first number of torch's container before the zip files
STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
WRAPPERS = ("model.", "module.", "image_encoder.")
DEEPEST = 64


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote: tensors, how many came from the completing checkpoint, names that were never run."""

    tensors: int
    completed: int
    stubs: tuple[str, ...]
    sha256: str


def convert(source: Path, target: Path, complete: Path | None = None) -> Converted:
    """Write the tensors of a pickled module, or of a pickled state dict, as safetensors, atomically.

    A wrapper's prefix ("model.", "module.", "image_encoder.") is taken off the names. complete: a checkpoint whose
    tensors fill in what the file lacks, such as the text tower that the field's image encoders were saved without.
    Raises: MergingError when the file is no such pickle, holds no tensors, or does not fit the completing checkpoint.
    """
    state, stubs = read_legacy(source)
    before = len(state)
    if complete is not None:
        with open_tensors(complete) as whole:
            for key in whole.keys():
                if key in state and tuple(state[key].shape) != whole.shape(key):
                    raise MergingError(
                        f"'{source}' has '{key}' of shape {tuple(state[key].shape)}, '{complete}' {whole.shape(key)}.",
                        "Complete it with a checkpoint of the same architecture.",
                    )
                if key not in state:
                    state[key] = whole.get(key).clone()
    sha256 = write(target, state, {"format": "pt", "converted_from": source.name})
    return Converted(len(state), len(state) - before, stubs, sha256)


def read_legacy(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """State dict of the module in the file, and the names of all that was stubbed. Raises: MergingError."""
    try:
        with open(path, "rb") as file:
            root, stubs = _from_zip(path) if zipfile.is_zipfile(path) else _from_stream(file)
    except MergingError:
        raise
    except OSError as error:
        raise MergingError(f"'{path}' cannot be read: {error}.") from None
    except Exception as error:  # a damaged or hostile pickle fails in any way it likes; nothing of it has run
        raise MergingError(
            f"'{path}' is no pickle of torch's that can be read: {type(error).__name__}: {error}."
        ) from None
    state = dict(_named(root, "", 0))
    for wrapper in WRAPPERS:
        if state and all(key.startswith(wrapper) for key in state):
            state = {key.removeprefix(wrapper): one for key, one in state.items()}
    if not state:
        raise MergingError(f"'{path}' holds no tensors (but {', '.join(stubs[:3]) or 'plain data'}).")
    return {key: one.detach().clone().contiguous() for key, one in state.items()}, stubs


class Stub:
    """Stands for anything that the pickle names; keeps what it is given and does nothing."""

    def __init__(self, *given: object, **named: object) -> None:
        self.given = given

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __call__(self, *given: object, **named: object) -> "Stub":
        return Stub(*given)

    def __setitem__(self, key: object, value: object) -> None:
        """Items of dictionaries of unknown classes are not needed."""

    def append(self, value: object) -> None:
        """Items of lists of unknown classes are not needed."""

    def extend(self, values: object) -> None:
        """Items of lists of unknown classes are not needed."""

    def add(self, value: object) -> None:
        """Items of sets of unknown classes are not needed."""


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    """What torch._utils._rebuild_tensor_v2 does; torch refuses sizes beyond the storage."""
    return torch.as_strided(storage, size, stride, offset)


def _parameter(data: Tensor, *_: object) -> Tensor:
    return data


class _Reader(pickle.Unpickler):
    """Every name is a stub but for torch's tensors and plain containers, which are rebuilt by the functions above."""

    ALLOWED = {
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
    }

    def __init__(self, file: Any, stubs: set[str]) -> None:
        super().__init__(file, encoding="latin1")
        self._stubs = stubs

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.ALLOWED:
            return self.ALLOWED[module, name]
        if module in ("torch", "torch.storage") and name in STORAGES:
            return STORAGES[name]
        self._stubs.add(f"{module}.{name}")
        return type("Stub", (Stub,), {})

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "module":
            return pid[1]
        return self.storage(pid[1], str(pid[2]), int(pid[4]))

    def storage(self, dtype: torch.dtype, key: str, count: int) -> Tensor:
        raise NotImplementedError


def _from_zip(path: Path) -> tuple[Any, tuple[str, ...]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickled = next((name for name in names if name.endswith("data.pkl")), None)
        if pickled is None:
            raise MergingError(f"'{path}' is a zip file, but not one of torch's.")
        folder = pickled.removesuffix("data.pkl")
        kept: dict[str, Tensor] = {}

        class Reader(_Reader):
            def storage(self, dtype: torch.dtype, key: str, count: int) -> Tensor:
                if key not in kept:
                    content = bytearray(archive.read(f"{folder}data/{key}"))
                    kept[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
                return kept[key]

        stubs: set[str] = set()
        with archive.open(pickled) as file:
            return Reader(file, stubs).load(), tuple(sorted(stubs))


def _from_stream(file: BinaryIO) -> tuple[Any, tuple[str, ...]]:
    """Torch's older container: four pickles, a list of storage keys, then every storage's length and bytes."""
    kept: dict[str, Tensor] = {}
    size = file.seek(0, 2)
    file.seek(0)

    class Reader(_Reader):
        def storage(self, dtype: torch.dtype, key: str, count: int) -> Tensor:
            if count * dtype.itemsize > size:
                raise MergingError(f"The file claims a tensor of {count:,} numbers; it is not that large.")
            return kept.setdefault(key, torch.empty(count, dtype=dtype))

    stubs: set[str] = set()
    if Reader(file, stubs).load() != MAGIC:
        raise MergingError("The file is neither a zip file nor an older container of torch's.")
    Reader(file, stubs).load()
    Reader(file, stubs).load()
    root = Reader(file, stubs).load()
    for key in Reader(file, stubs).load():
        one = kept[str(key)]
        count = int.from_bytes(file.read(8), "little", signed=True)
        content = bytearray(file.read(count * one.dtype.itemsize))
        if count != one.numel() or len(content) != one.numel() * one.dtype.itemsize:
            raise MergingError("The file is cut short.")
        if count:
            one.copy_(torch.frombuffer(content, dtype=one.dtype))
    return root, tuple(sorted(stubs))


def _named(thing: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a stubbed module, or of a dictionary of tensors, by the names that state_dict() gives."""
    if depth > DEEPEST:
        raise MergingError("The module is nested too deeply to be one.")
    if isinstance(thing, Tensor):
        yield prefix.removesuffix("."), thing
        return
    facts = getattr(thing, "state", None) if isinstance(thing, Stub) else thing
    if not isinstance(facts, dict):
        return
    if isinstance(thing, Stub):
        passing = facts.get("_non_persistent_buffers_set") or ()
        own = {**(facts.get("_parameters") or {}), **(facts.get("_buffers") or {})}
        parts = {name: one for name, one in own.items() if one is not None and name not in passing}
        parts |= facts.get("_modules") or {}
    else:
        wrapped = next((facts[key] for key in ("state_dict", "model_state_dict", "model") if key in facts), None)
        parts = wrapped if isinstance(wrapped, dict) else facts
        if isinstance(wrapped, Stub):
            yield from _named(wrapped, prefix, depth + 1)
            return
    for name, one in parts.items():
        yield from _named(one, f"{prefix}{name}.", depth + 1)
