import torch


def test_nearswap_by_hand(merge) -> None:
    """base + min(t / |τ|, 1) τ with t = 0.1: −0.3 → −0.1, 0.05 → 0.05, 0 → 0."""
    change = torch.tensor([[-0.3, 0.05], [0.0, 0.2]])
    found = merge("nearswap", {"limit": 0.1}, {"a": change})
    torch.testing.assert_close(found, torch.tensor([[-0.1, 0.05], [0.0, 0.1]]))
