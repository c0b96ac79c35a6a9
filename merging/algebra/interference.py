"""The closed form of WUDI's interference problem, with a filter on its spectrum (arXiv 2606.07289)."""

from collections.abc import Callable

import torch
from torch import Tensor

FLOOR = 1e-8  # eigenvalues are held above it, as in the authors' code


def filtered(deltas: Tensor, spectrum: Callable[[Tensor], Tensor]) -> Tensor:
    """Return directions (T, m, n) for one matrix; `spectrum` maps eigenvalues (n,) ascending to f (n,).

    C = Σ τᵀτ/‖τ‖² = VΛVᵀ; direction_t = τ_t (I − V f Vᵀ) + τ_t τ_tᵀ τ_t V (f/λ) Vᵀ / ‖τ_t‖². Experts that do
    not differ from the base here take no part. Sums and eigenvectors in float64.
    """
    found = torch.zeros_like(deltas)
    active = [number for number in range(len(deltas)) if bool(deltas[number].any())]
    wide = {number: deltas[number].to(torch.float64) for number in active}
    total = torch.zeros(deltas.shape[2], deltas.shape[2], dtype=torch.float64, device=deltas.device)
    for part in wide.values():
        total += part.T @ part / part.square().sum()
    values, vectors = torch.linalg.eigh(total)
    values = values.clamp_min(FLOOR)
    strength = spectrum(values)
    for number, part in wide.items():
        own = part @ vectors
        pulled = (part @ (part.T @ own)) / part.square().sum()
        change = part - (own * strength) @ vectors.T + (pulled * (strength / values)) @ vectors.T
        found[number] = change.to(deltas.dtype)
    return found
