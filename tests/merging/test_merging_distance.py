import pytest
import torch

from merging import MergingError, combine_into, method, methods, prepare, task_vectors
from merging.combining.distance import frozen_distance

EXACT = sorted(name for name, kind in methods().items() if kind.exact_form)


@pytest.mark.parametrize("name", EXACT)
def test_it_is_the_relative_distance_of_the_two_merges(name: str, families) -> None:
    group = families(3)
    made = method(name, {"keep": 0.5} if name == "dc_merge" else {})
    with task_vectors(group.base, group.experts) as vectors:
        equal = 1.0 if name == "doge" else 0.7  # its descent depends on the lengths, and is frozen at 1
        assert frozen_distance(made, vectors, dict.fromkeys(group.names, equal)) < 1e-5
        unequal = dict(zip(group.names, (1.0, 0.1, -0.4), strict=True))
        directions = prepare(made, vectors)
        frozen, exact = torch.empty(directions.layout.size), torch.empty(directions.layout.size)
        combine_into(frozen, directions, unequal)
        combine_into(exact, directions, unequal, exact=True)
        wanted = float((frozen - exact).norm() / (exact - directions.base).norm())
        found = frozen_distance(made, vectors, unequal)
    assert found == pytest.approx(wanted, rel=1e-3) and found > 0.01


def test_methods_with_one_form_are_not_apart(families) -> None:
    group = families(2)
    some = dict.fromkeys(group.names, 0.5)
    with task_vectors(group.base, group.experts) as vectors:
        for name in ("task_arithmetic", "weighted_average", "iso_c"):
            assert frozen_distance(method(name), vectors, some) == 0.0
        assert frozen_distance(method("ties"), vectors, dict.fromkeys(group.names, 0.0)) == 0.0
        with pytest.raises(MergingError, match="has no exact form"):
            frozen_distance(method("anchored"), vectors, some)
