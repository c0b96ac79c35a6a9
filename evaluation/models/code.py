"""A model that is somebody's own Python file: it builds the network and measures it. Runs code: see `code_model`."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import math
import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.errors import EvaluationError
from evaluation.models.binding import bind
from evaluation.models.model import Entry

Read = dict[str, tuple[float, float]]
SHAPE = "Write: def build() -> nn.Module, and def metrics(model) -> {name: value}."


class CodeModel:
    """A network of `build()`, and the numbers that `metrics(model)` reads from it; it has no tasks and no heads."""

    headless = False
    weights_file = "model.safetensors"
    library = "code"

    def __init__(self, name: str, module: nn.Module, read: Callable[..., Any], device: torch.device) -> None:
        self.name = name
        self.module = module.to(device).eval().requires_grad_(False)
        self.device = device
        self._read = read
        self._by_split = len(inspect.signature(read).parameters) > 1

    def bind(self, entries: Sequence[Entry], buffer: Tensor, others: Mapping[str, Tensor]) -> None:
        """Make the network's tensors views of `buffer`; see `Model.bind`."""
        bind(self.name, self.module, entries, buffer, others)

    def idle(self, name: str) -> bool:
        """What its metrics read is not known: everything."""
        return False

    def files(self) -> dict[str, bytes]:
        """None: whoever wrote the file has it."""
        return {}

    def metrics(self, split: str, seed: int) -> Read:
        """Every number that `metrics` gives for the weights of this moment, with its standard error (0 where it gives
        none). `split` is passed on where it takes two arguments; drawn numbers come from the seed.

        Raises: EvaluationError when it fails, or gives something else than finite numbers by name.
        """
        with _seeded(seed, self.device), torch.no_grad():
            try:
                found = self._read(self.module, split) if self._by_split else self._read(self.module)
            except Exception as error:
                raise _failed(Path(self.name), "metrics", error) from error
        if not isinstance(found, Mapping) or not found:
            raise EvaluationError(f"metrics in '{self.name}' gave {_shown(found)}.", "It must give {name: value}.")
        return {str(name): _number(self.name, str(name), value) for name, value in found.items()}


def code_model(file: Path, device: torch.device) -> CodeModel:
    """Run a Python file and build its network. Only for a file that a person has named on the command line.

    Raises: EvaluationError when it is missing, fails, or lacks `build` or `metrics`.
    """
    names = _run(file)
    build, read = names.get("build"), names.get("metrics")
    if not callable(build) or not callable(read):
        lacks = "build" if not callable(build) else "metrics"
        raise EvaluationError(f"'{file}' has no function {lacks}.", SHAPE)
    with _seeded(0, device):
        try:
            module = build()
        except Exception as error:
            raise _failed(file, "build", error) from error
    if not isinstance(module, nn.Module):
        raise EvaluationError(f"build in '{file}' gave {_shown(module)}, not an nn.Module.", SHAPE)
    return CodeModel(str(file), module, read, device)


def file_fingerprint(file: Path) -> str:
    """SHA-256 (hex) of a code file; of what it imports nothing is known. Raises: EvaluationError when it is missing."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise EvaluationError(f"'{file}' cannot be read: {error.strerror}.", "Name your Python file.") from None


def _run(file: Path) -> dict[str, Any]:
    file_fingerprint(file)
    spec = importlib.util.spec_from_file_location("mergescape_own_model", file)
    if spec is None or spec.loader is None:
        raise EvaluationError(f"'{file}' is not a Python file.", "Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failed(file, "the file", error) from error
    return vars(module)


def _failed(file: Path, what: str, error: Exception) -> EvaluationError:
    """What went wrong, with the line of the person's own file where it did."""
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == str(file)]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else lines[-1] if lines else None
    place = f"'{file}'" + (f", line {line}" if line else "")
    text = (str(error).strip().splitlines() or [""])[0]
    return EvaluationError(f"{place}: {what} failed with {type(error).__name__}: {text}.", "Mend the file.")


def _number(file: str, name: str, value: Any) -> tuple[float, float]:
    """A metric as (value, standard error)."""
    pair = value if isinstance(value, tuple) else (value, 0.0)
    try:
        number, error = (float(one) for one in pair)
    except (TypeError, ValueError):
        raise EvaluationError(
            f"metrics in '{file}' gave {_shown(value)} for '{name}'.", "Give a number, or (value, standard error)."
        ) from None
    if not math.isfinite(number) or not math.isfinite(error) or error < 0:
        raise EvaluationError(f"metrics in '{file}' gave {number:g} ± {error:g} for '{name}'.", "Give finite numbers.")
    return number, error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Everybody's generators start from the seed, and are put back afterwards."""
    kept = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
