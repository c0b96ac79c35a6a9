import torch

from merging.algebra.descent import adam, momentum


def test_the_steps_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    curve = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    curve = curve @ curve.T
    start = torch.randn(3, 4, generator=generator, dtype=torch.float64)

    def gradient(place: torch.Tensor) -> torch.Tensor:
        return place @ curve

    for ours, kind, options in ((adam, torch.optim.Adam, {}), (momentum, torch.optim.SGD, {"momentum": 0.9})):
        place = torch.nn.Parameter(start.clone())
        optimiser = kind([place], lr=0.01, **options)
        for _ in range(50):
            place.grad = gradient(place.detach())
            optimiser.step()
        before = start.clone()
        torch.testing.assert_close(ours(start, gradient, 50, 0.01), place.detach(), rtol=1e-12, atol=1e-12)
        assert torch.equal(start, before)
