"""The battery that every merging method must pass; a new file in merging/methods/ is tested by itself."""

import hashlib
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch

import merging
from merging import Directions, Method, combine_into, method_settings, methods, task_vectors
from merging.files import blocks
from tests.merging.toy import Toy

NOTHING: Mapping[str, object] = MappingProxyType({})
NAMES = sorted(methods())
LINEAR = [name for name in NAMES if methods()[name].linearity in ("linear", "frozen")]
# by default one entry of each expert votes in matrices this small, and never two on the same place
TRIED: dict[str, dict[str, object]] = {"dc_merge": {"keep": 0.5}}
# learning is repeated in nearly every test: as few steps as show it
SHORT = {"steps": 2, "look": 1, "looks": 3}
QUICK: dict[str, dict[str, object]] = {
    name: {each.name: SHORT[each.name] for each in method_settings(kind) if each.name in SHORT}
    for name, kind in methods().items()
    if kind.needs_data
}
SYMMETRIC = [name for name in NAMES if methods()[name].symmetric]
FORMS = [(name, exact) for name in NAMES for exact in sorted({False, methods()[name].exact_form})]


def method(name: str, settings: Mapping[str, object] = NOTHING) -> Method:
    return merging.method(name, {**QUICK.get(name, {}), **settings})


def prepare(made: Method, vectors: merging.TaskVectors, *where: Any) -> Directions:
    """Prepare a method, with a small model and samples where it learns."""
    access = Toy(vectors.layout, vectors.names) if made.needs else None
    return merging.prepare(made, vectors, *(where or (None,)), access=access)


def merge_tensors(made: Method, base: Any, experts: Any, *rest: Any, **more: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Merge tensor by tensor, from learned directions on disk where a method learns."""
    with tempfile.TemporaryDirectory() as folder:
        if made.needs:
            with task_vectors(base, experts) as vectors:
                more["prepared"] = prepare(made, vectors, Path(folder)).path
        yield from merging.merge_tensors(made, base, experts, *rest, **more)


def experts_of(name: str, wanted: int = 3) -> int:
    """Return a number of experts that the method takes, as near to `wanted` as can be."""
    low, high = methods()[name].experts
    return max(low, wanted if high is None else min(wanted, high))


def takes(name: str, count: int) -> bool:
    low, high = methods()[name].experts
    return low <= count <= (high or count)


def merged(directions: Directions, coefficients: dict[str, float], **options: int) -> torch.Tensor:
    out = torch.full((directions.layout.size,), torch.nan)
    combine_into(out, directions, coefficients, **options)
    return out


def some(names: tuple[str, ...]) -> dict[str, float]:
    return {name: 0.2 + 0.15 * number for number, name in enumerate(names)}


def at_default(made: Method, names: tuple[str, ...]) -> dict[str, float]:
    return {each.name: each.default for each in made.coefficients(names)}


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_complete(name: str) -> None:
    kind = methods()[name]
    assert kind.name == name == kind.__module__.rsplit(".", 1)[1]
    assert kind.title and kind.summary.endswith(".") and kind.__doc__
    assert kind.paper.title and 1950 < kind.paper.year < 2100
    assert re.fullmatch(r"\d{4}\.\d{4,5}|", kind.paper.arxiv)
    assert kind.paper.arxiv or kind.paper.authors
    assert kind.linearity in ("linear", "frozen", "span", "nonlinear")
    for count in filter(lambda count: takes(name, count), (1, 2, 8, 20)):
        for each in method(name).coefficients([f"e{number}" for number in range(count)]):
            assert each.low <= each.default <= each.high
            assert kind.limits[0] <= each.low < each.high <= kind.limits[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_range_and_help(name: str) -> None:
    for setting in method_settings(methods()[name]):
        assert setting.help.endswith(".") and setting.allowed
        if setting.kind in ("float", "int"):
            assert setting.low is not None and setting.high is not None
            assert setting.low <= setting.default <= setting.high and setting.low < setting.high
        if setting.kind == "choice":
            assert setting.default in setting.choices


@pytest.mark.parametrize("name", NAMES)
def test_every_end_of_every_setting_gives_numbers(name: str, families) -> None:
    group = families(experts_of(name))
    for setting in method_settings(methods()[name]):
        ends = [setting.low, setting.high] if setting.kind in ("float", "int") else list(setting.choices)
        if setting.kind == "text":
            continue
        if setting.name in QUICK.get(name, {}):
            ends = [setting.low, 3]
        for value in ends or [True, False]:
            made = method(name, {setting.name: value})
            with task_vectors(group.base, group.experts) as vectors:
                directions = prepare(made, vectors)
                for exact in {False, made.exact_form}:
                    out = merged(directions, at_default(made, group.names), exact=exact)
                    assert bool(torch.isfinite(out).all()), (setting.name, value)


@pytest.mark.parametrize("name", LINEAR)
def test_zero_coefficients_give_the_base_bit_for_bit(name: str, families) -> None:
    group = families(3)
    with task_vectors(group.base, group.experts) as vectors:
        directions = prepare(method(name), vectors)
        out = merged(directions, dict.fromkeys(group.names, 0.0))
        assert torch.equal(out.view(torch.int32), vectors.base().view(torch.int32))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_left_alone(name: str, families) -> None:
    group = families(experts_of(name))
    files = sorted(group.folder.iterdir())
    before = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    with task_vectors(group.base, group.experts) as vectors:
        directions = prepare(method(name), vectors)
        matrix, base = directions.matrix.clone(), directions.base.clone()
        merged(directions, some(group.names))
        if directions.method.exact_form:
            merged(directions, some(group.names), exact=True)
        assert torch.equal(matrix, directions.matrix) and torch.equal(base, directions.base)
    assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in files] == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_names_shapes_and_dtypes_are_kept(name: str, dtype: torch.dtype, families) -> None:
    group = families(experts_of(name), dtype)
    with task_vectors(group.base, group.experts) as vectors:
        found = dict(merge_tensors(method(name), group.base, group.experts, some(group.names)))
        assert sorted(found) == sorted([e.name for e in vectors.layout.entries] + list(vectors.others))
        for key, tensor in found.items():
            assert tuple(tensor.shape) == vectors.shape(key) and tensor.dtype == vectors.dtype(key)
        for key in ("position_ids", "flags"):
            assert torch.equal(found[key], vectors.other(key))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request_gives_the_same_bits(name: str, families) -> None:
    group = families(experts_of(name))
    found = []
    for _ in range(2):
        with task_vectors(group.base, group.experts) as vectors:
            found.append(merged(prepare(method(name), vectors), some(group.names)))
    assert torch.equal(*found)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_order_of_experts_does_not_matter(name: str, families) -> None:
    group = families(experts_of(name))
    coefficients = some(group.names)
    found = []
    for experts in (group.experts, group.experts[::-1]):
        with task_vectors(group.base, experts) as vectors:
            found.append(merged(prepare(method(name), vectors), coefficients))
    torch.testing.assert_close(*found, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_superposition(name: str, families) -> None:
    group = families(3)
    with task_vectors(group.base, group.experts) as vectors:
        directions = prepare(method(name), vectors)
        one, other = some(group.names), {key: 0.7 - value for key, value in some(group.names).items()}
        both = {key: one[key] + other[key] for key in one}
        total = merged(directions, one) + merged(directions, other) - directions.base
        torch.testing.assert_close(merged(directions, both), total, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_the_rounded_float32(name: str, families) -> None:
    group = families(experts_of(name))
    request = (method(name), group.base, group.experts, some(group.names))
    wide, narrow = dict(merge_tensors(*request)), dict(merge_tensors(*request, dtype="bfloat16"))
    for key, tensor in wide.items():
        if tensor.is_floating_point():
            assert torch.equal(narrow[key], tensor.to(torch.bfloat16))


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_checkpoints_are_close_to_float32_ones(name: str, families) -> None:
    wide, narrow = families(experts_of(name)), families(experts_of(name), torch.bfloat16)
    found = []
    for group in (wide, narrow):
        with task_vectors(group.base, group.experts) as vectors:
            found.append(merged(prepare(method(name), vectors), some(group.names)))
    apart = (found[0] - found[1]).norm() / found[0].norm()
    assert apart < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_experts_equal_to_the_base_change_nothing(name: str, families) -> None:
    group = families(experts_of(name, 2), same=True)
    with task_vectors(group.base, group.experts) as vectors:
        assert len(vectors.notes) == len(group.experts)
        directions = prepare(method(name), vectors)
        for exact in {False, directions.method.exact_form}:
            out = merged(directions, at_default(directions.method, group.names), exact=exact)
            torch.testing.assert_close(out, directions.base, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_one_expert_equal_to_the_base_does_no_harm(name: str, families) -> None:
    group = families(experts_of(name))
    same = families(1, same=True).experts[0]
    experts = (*group.experts[:-1], type(same)("idle", same.path, same.fingerprint))
    with task_vectors(group.base, experts) as vectors:
        directions = prepare(method(name), vectors)
        assert bool(torch.isfinite(merged(directions, some(vectors.names))).all())


@pytest.mark.parametrize(("name", "count"), [(n, count) for n in NAMES for count in (1, 2, 8, 20) if takes(n, count)])
def test_any_number_of_experts(name: str, count: int, families) -> None:
    group = families(count)
    with task_vectors(group.base, group.experts) as vectors:
        made = method(name)
        assert bool(torch.isfinite(merged(prepare(made, vectors), at_default(made, group.names))).all())


@pytest.mark.parametrize(("name", "exact"), FORMS)
def test_bits_do_not_depend_on_path_chunks_threads_or_cache(name: str, exact: bool, families, tmp_path: Path) -> None:
    group = families(experts_of(name))
    coefficients = some(group.names)
    with task_vectors(group.base, group.experts) as vectors:
        seen: list[int] = []
        directions = prepare(method(name), vectors, tmp_path, lambda done, of: seen.append(done))
        assert seen == list(range(1, len(vectors.layout.entries) + 1))
        wanted = merged(directions, coefficients, exact=exact)
        again = prepare(method(name), vectors, tmp_path, lambda done, of: seen.append(-1))
        assert -1 not in seen, "the cached directions were computed again"
        assert torch.equal(merged(again, coefficients, exact=exact, chunk=7), wanted)
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(3)
            memory = prepare(method(name), vectors)
            assert torch.equal(memory.matrix, directions.matrix)
            assert torch.equal(merged(memory, coefficients, exact=exact, chunk=64), wanted)
        finally:
            torch.set_num_threads(threads)
        stream = merge_tensors(method(name), group.base, group.experts, coefficients, exact=exact)
        for key, tensor in stream:
            if key in vectors.layout.index:
                assert torch.equal(tensor, vectors.layout.view(wanted, vectors.layout.index[key])), key


@pytest.mark.parametrize("name", [name for name in NAMES if method(name).by_rows])
def test_bits_do_not_depend_on_blocks_of_rows(name: str, families, monkeypatch: pytest.MonkeyPatch) -> None:
    group = families(experts_of(name))
    coefficients, made = some(group.names), method(name)
    with task_vectors(group.base, group.experts) as vectors:
        whole = {exact: merged(prepare(made, vectors), coefficients, exact=exact) for exact in {False, made.exact_form}}
        monkeypatch.setattr(blocks, "BLOCK", 20)
        assert len(blocks.blocks((10, 6))) == 4
        for exact, wanted in whole.items():
            found = merged(prepare(made, vectors), coefficients, exact=exact)
            if made.uses_gram:  # sums over other blocks
                torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
            else:
                assert torch.equal(found, wanted)
            stream = merge_tensors(made, group.base, group.experts, coefficients, exact=exact)
            for key, tensor in stream:
                if key in vectors.layout.index:
                    assert torch.equal(tensor, vectors.layout.view(found, vectors.layout.index[key])), key


@pytest.mark.parametrize("name", [name for name in NAMES if methods()[name].exact_form])
def test_the_exact_form_meets_the_frozen_one_at_equal_coefficients(name: str, families) -> None:
    group = families(3)
    equal = dict.fromkeys(group.names, 1.0)
    with task_vectors(group.base, group.experts) as vectors:
        directions = prepare(method(name, TRIED.get(name, {})), vectors)
        one, other = merged(directions, equal), merged(directions, equal, exact=True)
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        unequal = dict(zip(group.names, (1.0, 0.05, -0.5), strict=True))
        one, other = merged(directions, unequal), merged(directions, unequal, exact=True)
        assert not torch.allclose(one, other) and not math.isnan(float(other.sum()))
