"""Merging on a CUDA device gives what it gives on the CPU."""

import pytest
import torch

from merging import combine_into, task_vectors
from tests.merging.test_every_method import NAMES, experts_of, method, prepare, some

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("name", NAMES)
def test_merges_agree_with_the_cpu(name: str, families) -> None:
    group = families(experts_of(name))
    made = method(name)
    with task_vectors(group.base, group.experts) as vectors:
        here = prepare(made, vectors)
        there = here.to(torch.device("cuda", 0))
        for exact in sorted({False, made.exact_form}):
            wanted = torch.empty(here.layout.size)
            found, again = torch.empty_like(wanted, device="cuda"), torch.empty_like(wanted, device="cuda")
            combine_into(wanted, here, some(group.names), exact=exact)
            combine_into(found, there, some(group.names), exact=exact)
            combine_into(again, there, some(group.names), exact=exact)
            assert torch.equal(found, again)
            if made.linearity == "linear":
                assert torch.equal(found.cpu(), wanted)
            scale = float(wanted.abs().max())
            assert float((found.cpu() - wanted).abs().max()) <= 1e-5 * scale, exact


def test_pieces_change_no_bit_there_either(families) -> None:
    group = families(3)
    with task_vectors(group.base, group.experts) as vectors:
        there = prepare(method("task_arithmetic"), vectors).to(torch.device("cuda", 0))
        whole = torch.empty(there.layout.size, device="cuda")
        pieces = torch.empty_like(whole)
        combine_into(whole, there, some(group.names))
        combine_into(pieces, there, some(group.names), chunk=1000)
        assert torch.equal(whole, pieces)
