"""LoRA adapters of PEFT as changes of a base: ΔW = scaling · B A, exactly, tensor by tensor."""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from merging.blocks import Rows
from merging.errors import MergingError, nearest
from merging.tensors import Tensors, open_tensors

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = "base_model.model."
# initialisations that leave the base as it was; PiSSA, OLoRA, LoftQ, CorDA … change it
PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
REFUSED: Mapping[str, str] = {
    "lora_bias": "biases on the factors",
    "layer_replication": "replicated layers",
    "trainable_token_indices": "single trained tokens",
    "target_parameters": "factors on bare parameters",
    "use_qalora": "QA-LoRA",
    "alora_invocation_tokens": "activated LoRA",
    "megatron_config": "Megatron layers",
    "use_bdlora": "block-diagonal factors",
}
FACTOR = re.compile(r"^(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(?:\.weight)?$")
MAGNITUDE = re.compile(r"^(?P<module>.+)\.lora_magnitude_vector(?:\.weight)?$")


@dataclass(frozen=True)
class AdapterConfig:
    """What adapter_config.json says about the numbers."""

    rank: int
    alpha: float
    rslora: bool = False
    dora: bool = False
    transposed: bool = False  # fan_in_fan_out: the base holds Wᵀ
    ranks: tuple[tuple[str, int], ...] = ()
    alphas: tuple[tuple[str, float], ...] = ()

    def scaling(self, module: str, rank: int) -> float:
        """Return alpha / r, or alpha / √r with rsLoRA (arXiv 2312.03732), with the module's own alpha."""
        alpha = _by_pattern(self.alphas, module, self.alpha)
        return float(alpha / rank**0.5 if self.rslora else alpha / rank)


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

    `factors` are the adapted modules and `replaced` the fully trained tensors (modules_to_save: key in the
    adapter), both by the tensor name of the base. Close it, or use it in a with block.
    """

    def __init__(
        self,
        path: Path,
        config: AdapterConfig,
        tensors: Tensors,
        factors: Mapping[str, Factors],
        replaced: Mapping[str, str],
    ) -> None:
        self.path, self.config = path, config
        self.factors, self.replaced = dict(factors), dict(replaced)
        self._tensors = tensors

    def change(self, name: str, base: Tensor, rows: Rows = ...) -> Tensor | None:
        """Return adapted − base of one tensor, float32, or None where the adapter leaves it alone.

        With `rows`, `base` is those rows. A DoRA of a base that holds Wᵀ needs whole columns: all rows.
        """
        if name in self.replaced:
            return self._tensors.get(self.replaced[name], rows).to(torch.float32) - base
        if name not in self.factors:
            return None
        found = self.factors[name]
        change = self.product(name, rows).view(base.shape)
        if found.magnitude is None:
            return change
        if self.config.transposed and rows is not ...:
            raise ValueError(f"{name}: columns cannot be given their length from some rows")
        # DoRA (arXiv 2402.09353, eq. 5): each output row of W + ΔW is given its trained length
        whole = (base + change).T if self.config.transposed else base + change
        length = self._tensors.get(found.magnitude).to(torch.float32).reshape(-1, 1)
        length = length if self.config.transposed else length[rows]
        whole = whole * (length / whole.norm(dim=1, keepdim=True))
        dora: Tensor = (whole.T if self.config.transposed else whole) - base
        return dora

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
    path = Path(path)
    return (path / CONFIG).is_file() and any((path / name).is_file() for name in WEIGHTS)


def adapter_file(path: Path) -> Path:
    """Return the weight file of an adapter folder. Raises MergingError when there is none."""
    for name in WEIGHTS:
        if (Path(path) / name).is_file():
            return Path(path) / name
    raise MergingError(f"The adapter '{path}' has no {WEIGHTS[0]}.")


def read_adapter_config(path: Path) -> AdapterConfig:
    """Read adapter_config.json.

    Raises:
        MergingError: unreadable, not LoRA, or something that would make the sum wrong; it is named.
    """
    try:
        data = json.loads((Path(path) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MergingError(f"The adapter '{path}' has no readable {CONFIG}: {error}.") from error
    if not isinstance(data, dict) or data.get("peft_type") != "LORA":
        kind = data.get("peft_type") if isinstance(data, dict) else data
        raise MergingError(f"The adapter '{path}' is of type {kind!r}.", "Only LoRA adapters can be merged.")
    for key, what in REFUSED.items():
        if data.get(key):
            raise MergingError(f"The adapter '{path}' has {what} ({key}), which cannot be merged exactly.")
    if data.get("bias", "none") != "none":
        raise MergingError(
            f"The adapter '{path}' was trained with bias: {data['bias']!r}; its biases cannot be merged exactly.",
            "Merge it into its base first (peft: model.merge_and_unload()) and give the result.",
        )
    start = data.get("init_lora_weights", True)
    if start not in PLAIN_STARTS:
        raise MergingError(
            f"The adapter '{path}' starts from {start!r}, which changes the base too.",
            "Convert it to a plain LoRA where it was made (peft: save_pretrained with path_initial_model_for_weight…).",
        )
    return AdapterConfig(
        rank=int(_number(data, "r", path)),
        alpha=_number(data, "lora_alpha", path),
        rslora=bool(data.get("use_rslora", False)),
        dora=bool(data.get("use_dora", False)),
        transposed=bool(data.get("fan_in_fan_out", False)),
        ranks=tuple((data.get("rank_pattern") or {}).items()),
        alphas=tuple((data.get("alpha_pattern") or {}).items()),
    )


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
        for key in tensors.keys():
            factor, magnitude = FACTOR.match(key), MAGNITUDE.match(key)
            if factor:
                side = ("embedding_" if factor["embedding"] else "") + factor["side"]
                sides.setdefault(factor["module"], {})[side] = key
            elif magnitude:
                sides.setdefault(magnitude["module"], {})["magnitude"] = key
            elif "lora_" in key or "token_adapter" in key:
                raise MergingError(f"The adapter '{path}' has a tensor '{key}', which is not understood.")
            else:
                replaced[_base_name(key, base, path)] = key
        factors = {_base_name(f"{module}.weight", base, path): (module, keys) for module, keys in sides.items()}
        made = {name: _factors(path, config, tensors, *found) for name, found in factors.items()}
        adapter = Adapter(path, config, tensors, made, replaced)
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
    wanted = _by_pattern(config.ranks, plain, config.rank)
    if rank != wanted:
        raise MergingError(f"The adapter '{path}': '{a}' has rank {rank}, its configuration says {wanted}.")
    magnitude = keys.get("magnitude")
    if config.dora != (magnitude is not None) or (magnitude and (embedding or len(tensors.shape(a)) > 2)):
        raise MergingError(
            f"The adapter '{path}': DoRA of '{plain}' cannot be merged (linear layers with a magnitude can).",
            "Merge it into its base first (peft: model.merge_and_unload()) and give the result.",
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
    for name, key in adapter.replaced.items():
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


def _by_pattern(patterns: tuple[tuple[str, Any], ...], module: str, default: float) -> float:
    """Return the value of the first pattern that is the module's name or its last parts, as PEFT does."""
    for pattern, value in patterns:
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return float(value)
        except re.error as error:
            raise MergingError(f"The pattern {pattern!r} of an adapter is not a regular expression.") from error
    return default


def _number(data: Mapping[str, Any], key: str, path: Path) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise MergingError(
            f"The adapter '{path}' has {key} = {repr(value)[:40]} in its {CONFIG}.",
            "It must be a number from 0 to 1e30.",
        )
    return float(value)
