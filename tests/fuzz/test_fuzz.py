"""A few hostile inputs per parser, and every one that was ever taken wrongly; `make fuzz` tries ten thousand."""

from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.cases import CORPUS, hostile, judge
from tests.fuzz.targets import REFUSED, TARGETS

BY_NAME = {target.name: target for target in TARGETS}
FOUND = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_hostile_input_is_accepted_or_refused_in_one_line(target) -> None:  # type: ignore[no-untyped-def]
    @seed(3)
    @settings(
        max_examples=6 if target.name == "store" else 25, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.deferred(lambda: hostile(target)))
    def case(data: bytes) -> None:
        assert judge(target, data) is None, data[:300]

    case()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_taken_wrongly_once_is_not_again(path) -> None:  # type: ignore[no-untyped-def]
    assert judge(BY_NAME[path.parent.name], path.read_bytes()) is None


def test_the_corpus_is_kept() -> None:
    assert {path.parent.name for path in FOUND} >= {"recipe", "torch_file", "package", "picture", "store"}


# A recipe's checkpoints are not there, and each table of texts is read as the other kind, too.
WHERE = {"recipe": ["There is no checkpoint at", ""], "texts": ["x.jsonl' cannot be read", "x.csv' has no text"]}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_well_formed_seeds_are_accepted_or_get_as_far_as_they_can(target, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A seed that were refused at once would fuzz nothing but the first check."""
    seeds = target.seeds()
    for number, (data, where) in enumerate(zip(seeds, WHERE.get(target.name, [""] * len(seeds)), strict=True)):
        place = tmp_path / str(number)
        place.mkdir()
        with pytest.raises(REFUSED, match=where) if where else nullcontext():
            target.take(data, place)
    assert seeds
