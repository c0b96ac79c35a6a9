"""Methods that merge adapters from their factors: values of tests/golden/make_factors.py, and what must hold."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from merging import (
    Part,
    Recipe,
    TaskVectors,
    combine_into,
    merge_to_adapter,
    method,
    methods,
    prepare,
    reference,
    task_vectors,
    write,
)
from merging.files.tensors import open_tensors
from merging.lora.adapter import open_adapter

GOLDEN = Path(__file__).parents[2] / "golden"
FACTS = json.loads((GOLDEN / "factors.json").read_text(encoding="utf-8"))
ABLE = sorted(name for name, kind in methods().items() if kind.in_factors)
SOME = {"plain": 0.3, "other": 0.8}


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write PEFT's base and its adapters, and one that was never trained (B = 0)."""
    folder = tmp_path_factory.mktemp("factors")
    held = load_file(GOLDEN / "lora_adapters.safetensors")
    with safe_open(GOLDEN / "lora_adapters.safetensors", "pt") as opened:
        facts = opened.metadata()

    def state(prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in held.items() if key.startswith(prefix)}

    write(folder / "base" / "model.safetensors", state("base/"), {})
    for name in ("plain", "other", "patterns", "rslora", "saved", "conv1d", "embedding", "dora", "conv2d"):
        write(folder / name / "adapter_model.safetensors", state(f"{name}/adapter/"), {})
        (folder / name / "adapter_config.json").write_text(facts[name])
    idle = {key: value * ("lora_A" in key) for key, value in state("plain/adapter/").items()}
    write(folder / "idle" / "adapter_model.safetensors", idle, {})
    (folder / "idle" / "adapter_config.json").write_text(facts["plain"])
    return folder


def opened(folder: Path, names: list[str]) -> TaskVectors:
    return task_vectors(reference("base", folder / "base"), [reference(name, folder / name) for name in names])


def merged(
    folder: Path, name: str, coefficients: dict[str, float], exact: bool = False, **settings: object
) -> dict[str, Tensor]:
    """Merge in memory; return merged − base by tensor."""
    with opened(folder, list(coefficients)) as vectors:
        directions = prepare(method(name, settings), vectors)
        out = torch.empty(directions.layout.size)
        combine_into(out, directions, coefficients, exact=exact)
        change = out - directions.base
        return {entry.name: vectors.layout.view(change, entry).clone() for entry in vectors.layout.entries}


def of_adapter(folder: Path, path: Path) -> dict[str, Tensor]:
    with open_tensors(folder / "base") as base, open_adapter(path, base) as found:
        both = {key: found.change(key, base.get(key)) for key in base.keys()}
        changed = {key: change for key, change in both.items() if change is not None}
        assert changed
        return changed


def recipe(name: str, coefficients: dict[str, float], exact: bool = False, **settings: object) -> Recipe:
    experts = tuple(Part(name=each, path=each) for each in coefficients)
    base = Part(name="base", path="base")
    return Recipe(base=base, experts=experts, method=name, settings=settings, coefficients=coefficients, exact=exact)


@pytest.mark.parametrize("number", range(len(FACTS["merges"])))
def test_golden_values(number: int, adapters: Path) -> None:
    case = FACTS["merges"][number]
    found = merged(adapters, case["name"], FACTS["coefficients"], case["exact"], **case["settings"])
    for module, values in case["expected"].items():
        wanted = torch.tensor(values, dtype=torch.float32)
        torch.testing.assert_close(found[f"{module}.weight"], wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", ABLE)
@pytest.mark.parametrize(
    "names", [["plain", "other"], ["patterns", "saved", "rslora"], ["conv1d"], ["embedding", "plain"], ["idle"]]
)
def test_the_adapter_is_the_merge(name: str, names: list[str], exact: bool, adapters: Path, tmp_path: Path) -> None:
    coefficients = {each: 0.4 + 0.3 * number for number, each in enumerate(names)}
    report = merge_to_adapter(recipe(name, coefficients, exact), adapters, tmp_path / "out")
    assert report.error == 0.0
    found, wanted = of_adapter(adapters, tmp_path / "out"), merged(adapters, name, coefficients, exact)
    for key, change in wanted.items():
        size = max(float(change.abs().max()), 1e-3)
        torch.testing.assert_close(found.get(key, torch.zeros_like(change)), change, rtol=0, atol=5e-6 * size)


def test_no_change_is_formed_on_the_way_to_an_adapter(
    adapters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def formed(*_: object) -> Tensor:
        raise AssertionError("a full ΔW was formed")

    monkeypatch.setattr("merging.lora.adapter.Adapter.product", formed)
    for name in ABLE:
        merge_to_adapter(recipe(name, SOME), adapters, tmp_path / name)
    with opened(adapters, ["plain"]) as vectors, pytest.raises(AssertionError):
        vectors.deltas("block.first.weight")


@pytest.mark.parametrize("names", [["plain", "dora"], ["conv2d"], ["saved"], ["conv1d", "plain"]])
def test_what_is_no_product_is_not_taken_for_one(names: list[str], adapters: Path) -> None:
    none = {"dora": "block.first.weight", "conv2d": "image.weight", "saved": "head.weight"}
    with opened(adapters, names) as vectors:
        wanted = {none[name] for name in names if name in none}
        for key in wanted:
            assert vectors.pairs(key) is None
        for entry in vectors.layout.entries:
            pairs = vectors.pairs(entry.name)
            if pairs is not None:
                for pair, delta in zip(pairs, vectors.deltas(entry.name), strict=True):
                    torch.testing.assert_close(pair.left @ pair.right, delta, rtol=0, atol=1e-6)


def test_full_experts_have_no_factors(adapters: Path, tmp_path: Path) -> None:
    state = load_file(adapters / "base" / "model.safetensors")
    write(tmp_path / "full.safetensors", {key: value + 0.01 for key, value in state.items()}, {})
    experts = [reference("plain", adapters / "plain"), reference("full", tmp_path / "full.safetensors")]
    with task_vectors(reference("base", adapters / "base"), experts) as vectors:
        assert all(vectors.pairs(entry.name) is None for entry in vectors.layout.entries)


def test_rmm_gives_every_expert_back(adapters: Path) -> None:
    names = ["plain", "other", "idle"]
    for name in names:
        found = merged(adapters, "rmm", {each: float(each == name) for each in names}, models=2)
        for key, change in of_adapter(adapters, adapters / name).items():
            torch.testing.assert_close(found[key], change, rtol=0, atol=1e-5)


def test_do_merging_of_one_expert_is_that_expert_scaled(adapters: Path) -> None:
    found = merged(adapters, "do_merging", {"plain": 0.5})
    for key, change in of_adapter(adapters, adapters / "plain").items():
        torch.testing.assert_close(found[key], 0.5 * change, rtol=0, atol=1e-5)


def test_do_merging_takes_the_columns_of_the_module_where_the_base_holds_it_transposed(
    adapters: Path,
) -> None:
    state = load_file(adapters / "conv1d" / "adapter_model.safetensors")
    other = {key: value.flip(-1) if "lora_A" in key else value * 2 for key, value in state.items()}
    write(adapters / "turned" / "adapter_model.safetensors", other, {})
    config = (adapters / "conv1d" / "adapter_config.json").read_text()
    (adapters / "turned" / "adapter_config.json").write_text(config)
    names = {"conv1d": 0.25, "turned": 0.75}
    found = merged(adapters, "do_merging", names, steps=0)["block.swapped.weight"]
    own = [of_adapter(adapters, adapters / name)["block.swapped.weight"].T for name in names]
    lengths = [each.norm(dim=0) for each in own]
    wanted = (0.25 * lengths[0] + 0.75 * lengths[1]) * (0.25 * own[0] / lengths[0] + 0.75 * own[1] / lengths[1])
    torch.testing.assert_close(found, wanted.T, rtol=0, atol=1e-5)


def test_less_alike_factors_overlap_less(adapters: Path) -> None:
    with opened(adapters, list(SOME)) as vectors:
        before = vectors.pairs("block.first.weight")
        after = method("do_merging", {"steps": 200, "pull": 0.0}).survey(vectors)["block.first.weight"]
    overlap: Callable[..., float] = lambda pairs: float((pairs[0].right @ pairs[1].right.T).norm())  # noqa: E731
    assert overlap(after) < 0.2 * overlap(before)
