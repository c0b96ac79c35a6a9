import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merging.algebra.linalg import (
    gram_matrix,
    isotropic,
    kth_magnitudes,
    kth_of_rows,
    kth_values,
    leading,
    polar,
    thin_svd,
)
from merging.sparsity.draws import at_least, uniform

numbers = st.lists(
    st.floats(-3.0, 3.0, width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-30]), min_size=1, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(values=numbers, share=st.floats(0.0, 1.0), parts=st.integers(1, 7))
def test_the_kth_value_is_exact_whatever_the_pieces(values: list[float], share: float, parts: int) -> None:
    vector = torch.tensor(values, dtype=torch.float32)
    rank = 1 + int(share * (len(values) - 1))
    pieces = [piece.unsqueeze(0) for piece in torch.chunk(vector, parts)]
    assert kth_values(lambda: pieces, [rank])[0] == float(vector.sort().values[rank - 1])
    assert kth_magnitudes(lambda: pieces, [rank])[0] == float(vector.abs().sort().values[rank - 1])


def test_many_vectors_have_their_own_ranks() -> None:
    rows = torch.randn(3, 5000, generator=torch.Generator().manual_seed(0))
    found = kth_values(lambda: torch.split(rows, 777, dim=1), [1, 2500, 5000])
    ranked = rows.sort(dim=1).values
    assert found == [float(ranked[0, 0]), float(ranked[1, 2499]), float(ranked[2, 4999])]


def test_rows_in_memory_give_the_same_ranks_short_or_long() -> None:
    for length in (1000, 40000):
        rows = torch.randn(2, length, generator=torch.Generator().manual_seed(length))
        ranks = [7, length - 3]
        assert kth_of_rows(rows, ranks) == kth_values(lambda rows=rows: [rows], ranks)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), share=st.floats(0.0, 1.0), equal=st.floats(0.0, 1.0), few=st.booleans())
def test_long_vectors_full_of_equal_numbers_have_exact_ranks(seed: int, share: float, equal: float, few: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(20_000, generator=generator).mul_(torch.rand(20_000, generator=generator) >= equal)
    if few:  # as differences of numbers in half precision are
        vector = (vector * 8).round() / 8
    rank = 1 + int(share * 19_999)
    pieces = [piece.unsqueeze(0) for piece in torch.split(vector, 3_333)]
    with pytest.MonkeyPatch.context() as patch:
        for held, samples in ((1 << 23, 1 << 20), (50, 100)):  # the sample is enough; it is thinned, and not enough
            patch.setattr("merging.algebra.linalg.HELD", held)
            patch.setattr("merging.algebra.linalg.SAMPLES", samples)
            assert kth_values(lambda: pieces, [rank])[0] == float(vector.sort().values[rank - 1])


def test_leading_singular_vectors_leave_rounding_errors_out() -> None:
    matrix = torch.outer(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 0.0, 0.0]))
    matrix[0, 1] = 1e-6
    assert [len(leading(matrix, most)[1]) for most in (0, 1, 2)] == [0, 1, 1]
    assert len(leading(1e-6 * matrix, 2, against=10.0)[1]) == 0


def test_polar_of_a_rank_deficient_matrix_is_a_partial_isometry() -> None:
    matrix = torch.outer(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(polar(matrix), torch.tensor([[0.6, 0.0, 0.0], [0.8, 0.0, 0.0]]))
    full = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    factor = polar(full)
    torch.testing.assert_close(factor.T @ factor, torch.eye(3), rtol=0, atol=1e-5)


def test_isotropic_agrees_with_the_svd_either_way_round() -> None:
    matrix = torch.randn(4, 7, generator=torch.Generator().manual_seed(2))
    u, s, vt = thin_svd(matrix)
    torch.testing.assert_close(isotropic(matrix), s.mean() * u @ vt, rtol=0, atol=1e-5)
    torch.testing.assert_close(isotropic(matrix.T), (s.mean() * u @ vt).T, rtol=0, atol=1e-5)


def test_gram_matrix_has_the_base_first() -> None:
    base, deltas = torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert gram_matrix(base, deltas).tolist() == [[5.0, 3.0, 2.0], [3.0, 9.0, 0.0], [2.0, 0.0, 1.0]]


def test_draws_depend_on_seed_expert_and_tensor_only() -> None:
    whole = uniform(1, "a", "w", 3_000_000)
    assert torch.equal(whole[:1000], uniform(1, "a", "w", 1000))
    assert not torch.equal(whole[:1000], uniform(2, "a", "w", 1000))
    assert not torch.equal(whole[:1000], uniform(1, "b", "w", 1000))
    assert not torch.equal(whole[:1000], uniform(1, "a", "v", 1000))
    assert 0.0 <= float(whole.min()) and float(whole.max()) < 1.0
    assert abs(float(whole.mean()) - 0.5) < 0.002
    before = np.random.get_state()[1].copy()
    uniform(3, "a", "w", 10)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("low", [-1.0, 0.0, 1e-9, 0.3, 0.5, 1.0 - 0.9, 1.0 - 2.0**-24, 1.0, 2.0])
def test_raw_words_are_compared_as_their_numbers_are(low: float) -> None:
    for start in (0, 3, 70_001):
        drawn = uniform(7, "expert", "tensor", 140_000, start)
        assert torch.equal(torch.from_numpy(at_least(low, 7, "expert", "tensor", 140_000, start)), drawn >= low)
