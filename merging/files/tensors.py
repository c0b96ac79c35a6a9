"""Lazy reading of checkpoints: safetensors (single or sharded), and torch files without running code."""

import pickle
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from merging.errors import MergingError, nearest
from merging.files.blocks import Rows
from merging.files.weight_files import FORMATS, SAFETENSORS, weight_files

RESIDENT = 1 << 25  # bytes of one checkpoint that stay mapped into memory between two tensors
Read = Callable[[], Tensor]


class Tensors(AbstractContextManager["Tensors"]):
    """The tensors of one checkpoint, read one at a time.

    `metadata` is the safetensors metadata of the (first) file. Close it, or use it in a with block.
    """

    def __init__(
        self,
        path: Path,
        shapes: Mapping[str, tuple[int, ...]],
        dtypes: Mapping[str, torch.dtype],
        read: Callable[[str, Rows], Tensor],
        metadata: Mapping[str, str],
        stack: ExitStack,
    ) -> None:
        self.path = path
        self.metadata = dict(metadata)
        self._shapes = dict(shapes)
        self._dtypes = dict(dtypes)
        self._read = read
        self._stack = stack

    def keys(self) -> list[str]:
        """Return the tensor names, sorted."""
        return sorted(self._shapes)

    def shape(self, key: str) -> tuple[int, ...]:
        """Return the shape of one tensor without reading it."""
        return self._shapes[self._known(key)]

    def dtype(self, key: str) -> torch.dtype:
        """Return the dtype of one tensor without reading it."""
        return self._dtypes[self._known(key)]

    def get(self, key: str, rows: Rows = ...) -> Tensor:
        """Read one tensor, or some rows of it. It may be a view of a memory-mapped file: do not write to it."""
        return self._read(self._known(key), rows)

    def differs(self, key: str) -> bool:
        """Tell whether the change of a tensor is its difference from the base's, and nothing more exact."""
        return True

    def change_into(self, out: Tensor, key: str, base: Tensor, rows: Rows = ...) -> None:
        """Write this tensor − `base`, float32, into `out`; adapters know their change without a difference.

        `base` and `out` are those of `rows`.
        """
        torch.sub(self.get(key, rows).to(torch.float32), base, out=out)

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def _known(self, key: str) -> str:
        if key not in self._shapes:
            raise MergingError(f"'{self.path}' has no tensor '{key}'.", nearest(key, self._shapes))
        return key


def open_tensors(path: Path) -> Tensors:
    """Open a checkpoint lazily: a .safetensors file, a folder, or a torch file (`weights_only`).

    Raises:
        MergingError: missing, unreadable, or a pickle that would have to run code.
    """
    path = Path(path)
    files = weight_files(path)
    if all(file.suffix == SAFETENSORS for file in files):
        return _open_safetensors(path, files)
    return _open_torch(path, files)


class _Files:
    """Memory-mapped safetensors files, opened when needed.

    Pages once read count as resident memory until their mapping ends; so after RESIDENT bytes the mappings are
    dropped and made again. A tensor that is still in use keeps its own mapping alive. Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: dict[Path, Any] = {}
        self._read = 0

    def get(self, file: Path) -> Any:
        """Open a file, or return the open one."""
        if file not in self._open:
            self._open[file] = safe_open(str(file), framework="pt")
        return self._open[file]

    def tensor(self, file: Path, key: str, rows: Rows) -> Tensor:
        """Read some rows of one tensor."""
        with self._lock:
            tensor: Tensor = self.get(file).get_tensor(key)[rows]
            if self._read + tensor.nbytes > RESIDENT:
                self.close()
                tensor = self.get(file).get_tensor(key)[rows]
            self._read += tensor.nbytes
            return tensor

    def close(self) -> None:
        """Drop every mapping."""
        for opened in self._open.values():
            opened.__exit__(None, None, None)
        self._open.clear()
        self._read = 0


def _open_safetensors(path: Path, files: list[Path]) -> Tensors:
    mapped = _Files()
    owner: dict[str, Path] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, torch.dtype] = {}
    metadata: dict[str, str] = {}
    with ExitStack() as stack:
        stack.callback(mapped.close)
        try:
            for file in files:
                opened = mapped.get(file)
                metadata = metadata or dict(opened.metadata() or {})
                for key in opened.keys():  # noqa: SIM118 (safe_open is not a mapping)
                    if key in owner:
                        raise MergingError(f"Tensor '{key}' stands in two shards of '{path}'.")
                    part = opened.get_slice(key)
                    owner[key] = file
                    shapes[key] = tuple(part.get_shape())
                    dtypes[key] = _dtype(path, key, part.get_dtype())
        except (SafetensorError, OSError) as error:
            raise MergingError(f"'{path}' is not a readable safetensors file: {error}.") from error

        def read(key: str, rows: Rows) -> Tensor:
            return mapped.tensor(owner[key], key, rows)

        return Tensors(path, shapes, dtypes, read, metadata, stack.pop_all())


DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def _dtype(path: Path, key: str, code: str) -> torch.dtype:
    if code not in DTYPES:
        raise MergingError(
            f"Tensor '{key}' of '{path}' has dtype {code}, which cannot be merged.",
            f"Allowed: {', '.join(DTYPES)}.",
        )
    return DTYPES[code]


def _open_torch(path: Path, files: list[Path]) -> Tensors:
    state: dict[str, Tensor] = {}
    for file in files:
        state.update(_state_dict(file))
    names = {dtype: code for code, dtype in DTYPES.items()}
    for key, tensor in state.items():
        if tensor.dtype not in names:
            _dtype(path, key, str(tensor.dtype).removeprefix("torch."))
    return Tensors(
        path,
        {key: tuple(tensor.shape) for key, tensor in state.items()},
        {key: tensor.dtype for key, tensor in state.items()},
        lambda key, rows: state[key].detach()[rows],
        {},
        ExitStack(),
    )


def _state_dict(file: Path) -> dict[str, Tensor]:
    """Load a torch file without running code, unwrap {"state_dict": …} and a "module." prefix."""
    loaded = _load(file)
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
            break
    if not isinstance(loaded, Mapping):
        raise MergingError(f"'{file}' holds a {type(loaded).__name__}, not a state dict.", FORMATS)
    strange = [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]
    if strange or not loaded:
        raise MergingError(f"'{file}' is not a state dict: entry '{(strange or ['none'])[0]}' is no tensor.")
    state = {str(key): value for key, value in loaded.items()}
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _load(file: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            try:
                return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # the old, non-zip container cannot be memory-mapped
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MergingError(
            f"'{file}' is a pickle that would run code when opened; it is refused.",
            f"Convert it without running it: python -m study convert '{file}' {file.stem}.safetensors.",
        ) from error
    except Exception as error:  # the reader meets what it was not written for with whatever comes to its mind
        raise MergingError(f"'{file}' is not a readable torch file: {error or type(error).__name__}.") from error
