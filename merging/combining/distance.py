"""How far the frozen form of a method, which sliders move, is from the exact one, which an export can have."""

from collections.abc import Mapping

import torch

from merging.errors import MergingError
from merging.groups import Groups, per_tensor
from merging.method import Method
from merging.task_vector import TaskVectors
from merging.threads import one_thread


def frozen_distance(
    method: Method, vectors: TaskVectors, coefficients: Mapping[str, float], groups: Groups | None = None
) -> float:
    """Return ‖frozen − exact‖ / ‖exact − base‖ over the whole model, at these coefficients (`groups` as in a merge).

    0 for methods with one form only, and where neither form changes the base. Goes through the task vectors
    tensor by tensor: about as slow as preparing the method.

    Raises:
        MergingError: wrong coefficients, or a frozen method without an exact form.
    """
    tensors = [entry.name for entry in vectors.layout.entries]
    values = per_tensor(method, vectors.names, coefficients, groups, tensors)
    if method.linearity != "frozen":
        return 0.0
    if not method.exact_form:
        raise MergingError(f"Method '{method.name}' has no exact form to compare with.", "It is published frozen.")
    apart = moved = 0.0
    with one_thread(), torch.no_grad():
        survey = method.survey(vectors)
        survey_at = method.survey_at(vectors, values.at, lambda: survey)
        for entry in vectors.layout.entries:
            own = values.at(entry.name)
            for rows, start in method.pieces(entry.shape):
                base, deltas = vectors.base_tensor(entry.name, rows), vectors.deltas(entry.name, rows)
                exact = method.combine_rows(entry.name, base, deltas, own, survey_at, start).sub_(base)
                frozen = torch.zeros_like(base)
                directions = method.prepare_rows(entry.name, deltas, survey, start)
                for direction, value in zip(directions, own.tolist(), strict=True):
                    frozen.add_(direction, alpha=value)
                apart += float((frozen - exact).to(torch.float64).square().sum())
                moved += float(exact.to(torch.float64).square().sum())
    if moved == 0.0:
        return 0.0 if apart == 0.0 else float("inf")
    return float((apart / moved) ** 0.5)
