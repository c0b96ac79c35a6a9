"""LoRA adapters of PEFT as changes of a base: ΔW = scaling · B A, exactly, tensor by tensor."""

import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from merging.errors import MergingError, nearest
from merging.files.blocks import Rows
from merging.files.tensors import Tensors, open_tensors
from merging.lora.config import CONFIG, CURE, AdapterConfig, by_pattern, read_adapter_config

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = "base_model.model."
FACTOR = re.compile(r"^(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(?:\.weight)?$")
SHIFT = re.compile(r"^(?P<module>.+)\.lora_B\.bias$")
MAGNITUDE = re.compile(r"^(?P<module>.+)\.lora_magnitude_vector(?:\.weight)?$")


@dataclass(frozen=True)
class Factors:
    """One adapted module: the keys of A (r, in) and B (out, r) in the adapter, and how they act."""

    a: str
    b: str
    scaling: float
    rank: int
    embedding: bool = False
    magnitude: str | None = None


class Adapter(AbstractContextManager["Adapter"]):
    """An open adapter, laid over the names of a base.

    `factors` are the adapted modules, `replaced` the fully trained tensors (modules_to_save, biases: key in the
    adapter) and `shifts` the biases that factors have of their own (key, scaling), all by the tensor name of the base.
    Close it, or use it in a with block.
    """

    def __init__(
        self,
        path: Path,
        config: AdapterConfig,
        tensors: Tensors,
        factors: Mapping[str, Factors],
        replaced: Mapping[str, str],
        shifts: Mapping[str, tuple[str, float]],
    ) -> None:
        self.path, self.config = path, config
        self.factors, self.replaced, self.shifts = dict(factors), dict(replaced), dict(shifts)
        self._tensors = tensors

    def change(self, name: str, base: Tensor, rows: Rows = ...) -> Tensor | None:
        """Return adapted − base of one tensor, float32, or None where the adapter leaves it alone.

        With `rows`, `base` is those rows. A DoRA with lengths of whole columns (`by_columns`) needs all rows.
        """
        if name in self.replaced:
            return self._tensors.get(self.replaced[name], rows).to(torch.float32) - base
        if name in self.shifts:
            key, scaling = self.shifts[name]
            return self._tensors.get(key, rows).to(torch.float32) * scaling
        if name not in self.factors:
            return None
        found = self.factors[name]
        change = self.product(name, rows).view(base.shape)
        if found.magnitude is None:
            return change
        columns = self.by_columns(name)
        if columns and rows is not ...:
            raise ValueError(f"{name}: columns cannot be given their length from some rows")
        # DoRA (arXiv 2402.09353, eq. 5): each output of W + ΔW is given its trained length
        outputs = (base + change).T if columns else (base + change).flatten(1)
        length = self._tensors.get(found.magnitude).to(torch.float32).reshape(-1, 1)
        outputs = outputs * ((length if columns else length[rows]) / outputs.norm(dim=1, keepdim=True))
        dora: Tensor = (outputs.T if columns else outputs.view(base.shape)) - base
        return dora

    def by_columns(self, name: str) -> bool:
        """Tell whether a DoRA gives lengths to the columns of the base's tensor: embeddings, and where it holds Wᵀ."""
        found = self.factors.get(name)
        return found is not None and found.magnitude is not None and (found.embedding or self.config.transposed)

    def pair(self, name: str) -> tuple[Tensor, Tensor]:
        """Return (scaling · B, A) as matrices (out, r) and (r, in · kernel), float32; ΔW = their product.

        For embeddings, and weights that the base holds transposed, the product is already that of the base.
        """
        found = self.factors[name]
        a = self._tensors.get(found.a).to(torch.float32).reshape(found.rank, -1)
        b = self._tensors.get(found.b).to(torch.float32)
        b = b.reshape(b.shape[0], found.rank) * found.scaling
        return (a.T, b.T) if found.embedding or self.config.transposed else (b, a)

    def kernel(self, name: str) -> bool:
        """Tell whether a module is a convolution."""
        return len(self._tensors.shape(self.factors[name].a)) > 2

    def product(self, name: str, rows: Rows = ...) -> Tensor:
        """Return ΔW of one module, or some rows of it, as a matrix, float32."""
        left, right = self.pair(name)
        return left[rows] @ right

    def close(self) -> None:
        """Release the file."""
        self._tensors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_adapter(path: Path) -> bool:
    """Tell a folder with an adapter, and no full checkpoint beside it, from others."""
    # os.path says no, too, of names that no disk could hold; Path's own question would raise.
    return os.path.isfile(Path(path) / CONFIG) and any(os.path.isfile(Path(path) / name) for name in WEIGHTS)


def adapter_file(path: Path) -> Path:
    """Return the weight file of an adapter folder. Raises MergingError when there is none."""
    for name in WEIGHTS:
        if os.path.isfile(Path(path) / name):
            return Path(path) / name
    raise MergingError(f"The adapter '{path}' has no {WEIGHTS[0]}.")


def open_adapter(path: Path, base: Tensors) -> Adapter:
    """Open an adapter over a base.

    Raises:
        MergingError: unreadable, refused (see `read_adapter_config`), a tensor that we do not understand, or one
            that does not fit the base; names it.
    """
    path = Path(path)
    config = read_adapter_config(path)
    with ExitStack() as stack:
        tensors = stack.enter_context(open_tensors(adapter_file(path)))
        sides: dict[str, dict[str, str]] = {}
        replaced: dict[str, str] = {}
        shifts: dict[str, tuple[str, float]] = {}
        for key in tensors.keys():
            factor, magnitude, shift = FACTOR.match(key), MAGNITUDE.match(key), SHIFT.match(key)
            if factor:
                side = ("embedding_" if factor["embedding"] else "") + factor["side"]
                sides.setdefault(factor["module"], {})[side] = key
            elif magnitude:
                sides.setdefault(magnitude["module"], {})["magnitude"] = key
            elif shift and config.shifted:
                module = shift["module"]
                rank = tensors.shape(f"{module}.lora_B.weight")[1]
                scaling = config.scaling(module.removeprefix(PREFIX), rank)
                shifts[_base_name(f"{module}.bias", base, path)] = (key, scaling)
            elif "lora_" in key or "token_adapter" in key:
                raise MergingError(f"The adapter '{path}' has a tensor '{key}', which is not understood.")
            else:
                replaced[_base_name(key, base, path)] = key
        factors = {_base_name(f"{module}.weight", base, path): (module, keys) for module, keys in sides.items()}
        made = {name: _factors(path, config, tensors, *found) for name, found in factors.items()}
        adapter = Adapter(path, config, tensors, made, replaced, shifts)
        _check_shapes(adapter, base, tensors)
        stack.pop_all()
        return adapter


def _factors(path: Path, config: AdapterConfig, tensors: Tensors, module: str, keys: Mapping[str, str]) -> Factors:
    embedding = "embedding_A" in keys
    a, b = (keys.get(("embedding_" if embedding else "") + side) for side in "AB")
    if a is None or b is None:
        raise MergingError(f"The adapter '{path}' has only one of the two factors of '{module}'.")
    rank = tensors.shape(a)[0]
    plain = module.removeprefix(PREFIX)
    wanted = by_pattern(config.ranks, plain, config.rank)
    if rank != wanted:
        raise MergingError(f"The adapter '{path}': '{a}' has rank {rank}, its configuration says {wanted}.")
    magnitude = keys.get("magnitude")
    if config.dora != (magnitude is not None):
        held = "a DoRA magnitude" if magnitude else "no DoRA magnitude"
        raise MergingError(
            f"The adapter '{path}' has {held} of '{plain}', and use_dora: {str(config.dora).lower()}.", CURE
        )
    return Factors(a, b, config.scaling(plain, rank), rank, embedding, magnitude)


def _check_shapes(adapter: Adapter, base: Tensors, tensors: Tensors) -> None:
    for name, found in adapter.factors.items():
        a, b = tensors.shape(found.a), tensors.shape(found.b)
        shape = base.shape(name)
        swapped = found.embedding or adapter.config.transposed
        wanted = (a[1], b[0]) if swapped else (b[0], *a[1:])
        if shape != wanted:
            raise MergingError(
                f"The adapter '{adapter.path}' does not fit the base: '{name}' is {shape}, the adapter makes {wanted}.",
                "Choose the base that the adapter was trained on.",
            )
    shifts = {name: key for name, (key, _) in adapter.shifts.items()}
    for name, key in {**adapter.replaced, **shifts}.items():
        if base.shape(name) != tensors.shape(key):
            raise MergingError(
                f"The adapter '{adapter.path}' does not fit the base: '{name}' is {base.shape(name)}, "
                f"the adapter has {tensors.shape(key)}.",
                "Choose the base that the adapter was trained on.",
            )


def _base_name(key: str, base: Tensors, path: Path) -> str:
    """Find the base's tensor of an adapter key: the same name, or the only one that ends with it."""
    name = key.removeprefix(PREFIX).replace(".modules_to_save.default", "").replace(".base_layer.", ".")
    names = base.keys()
    if name in names:
        return name
    found = [each for each in names if each.endswith(f".{name}") or name.endswith(f".{each}")]
    if len(found) != 1:
        raise MergingError(
            f"The adapter '{path}' changes '{name}', which the base '{base.path}' has not.",
            f"{nearest(name, names)} Choose the base that the adapter was trained on.",
        )
    return found[0]
