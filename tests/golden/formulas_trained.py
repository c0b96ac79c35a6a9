"""Published equations of the methods that train, in plain numpy float64 with central differences."""

import network
import numpy as np
from formulas_samples import EXPERTS, State, added, taus


def rows_of(batch: int) -> slice:
    return slice(4 * batch, 4 * batch + 4)


def losses(kind: str, data: dict[str, State]) -> network.Loss:
    """L(state, task, batch) of four samples."""
    aims = {e: network.softmax(network.logits(data[e], e)) for e in EXPERTS}

    def loss(state: State, task: str, batch: int) -> float:
        logs = network.log_softmax(network.logits(state, task))[rows_of(batch)]
        if kind == "labels":
            return float(-logs[np.arange(4), network.labels(task)[rows_of(batch)]].mean())
        wanted = np.exp(logs) if kind == "entropy" else aims[task][rows_of(batch)]
        return float(-(wanted * logs).sum(-1).mean())

    return loss


def fisher(data: dict[str, State], c: dict[str, float], floor: float = 1e-6) -> State:
    """arXiv 2111.09832: E_x Σ_y p (∂ log p)², each expert's divided by its norm, plus the floor."""
    change, step = taus(data), 1e-5
    found: dict[str, State] = {}
    for e in EXPERTS:
        p = network.softmax(network.logits(data[e], e))
        found[e] = {}
        for name, values in data[e].items():
            squares = np.zeros(values.size)
            for place in range(values.size):
                ends = []
                for sign in (1.0, -1.0):
                    moved = np.array(values, dtype=np.float64).reshape(-1)
                    moved[place] += sign * step
                    ends.append(network.log_softmax(network.logits({**data[e], name: moved.reshape(values.shape)}, e)))
                slope = (ends[0] - ends[1]) / (2 * step)
                squares[place] = (p * slope**2).sum(-1).mean()
            found[e][name] = squares.reshape(values.shape)
        norm = np.sqrt(sum((value**2).sum() for value in found[e].values()))
        found[e] = {name: value / norm + floor for name, value in found[e].items()}
    total = {name: sum(found[e][name] for e in EXPERTS) for name in data["base"]}
    return added(data, {e: {n: found[e][n] / total[n] * change[e][n] for n in total} for e in EXPERTS}, c)


def parts_by_tensor(data: dict[str, State]) -> list[State]:
    """One column of coefficients per tensor, as masks of every tensor."""
    names = sorted(data["base"])
    return [{name: np.full(data["base"][name].shape, float(name == own)) for name in names} for own in names]


def scaled(data: dict[str, State], by: np.ndarray, columns: list[State]) -> dict[str, State]:
    """Task vectors times coefficients (T, columns)."""
    change = taus(data)
    return {
        e: {n: sum(by[t, k] * column[n] for k, column in enumerate(columns)) * change[e][n] for n in data["base"]}
        for t, e in enumerate(EXPERTS)
    }


def learned(
    data: dict[str, State],
    kind: str,
    start: float,
    steps: int,
    rate: float,
    decay: float = 0.0,
    columns: list[State] | None = None,
    prefer: dict[str, float] | None = None,
    logistic: float | None = None,
    free: np.ndarray | None = None,
) -> np.ndarray:
    """Coefficients per expert and column by Adam, two batches in turn; `logistic` is γ of Expert Merging, whose
    coefficients are the sigmoid of what is trained; `free` says which columns are trained."""
    columns = columns or parts_by_tensor(data)
    loss, prefer = losses(kind, data), prefer or dict.fromkeys(EXPERTS, 1.0)
    shape = (len(EXPERTS), len(columns))
    values = np.full(shape, np.log(start / (1 - start)) if logistic is not None else start)
    first, second = np.zeros(shape), np.zeros(shape)
    free = np.ones(len(columns)) if free is None else free

    def scales(at: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-at)) if logistic is not None else at

    def total(at: np.ndarray, batch: int) -> float:
        state = added(data, scaled(data, scales(at), columns), dict.fromkeys(EXPERTS, 1.0))
        value = sum(prefer[e] * loss(state, e, batch) for e in EXPERTS)
        alpha = scales(at)
        return value + (logistic * np.abs(alpha - alpha.mean()).mean() if logistic else 0.0)

    for step in range(steps):
        slope = np.zeros(shape)
        for place in np.ndindex(*shape):
            ends = []
            for sign in (1.0, -1.0):
                moved = values.copy()
                moved[place] += sign * 1e-5
                ends.append(total(moved, step % 2))
            slope[place] = (ends[0] - ends[1]) / 2e-5 * free[place[1]]
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        size = np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8
        values = values * (1 - rate * decay) - rate * first / (1 - 0.9 ** (step + 1)) / size
    return scales(values)


def trained(data: dict[str, State], c: dict[str, float], *words: object, shared: bool = False, **more: object) -> State:
    """What `learned` gives as a merge."""
    columns = [{n: np.ones(v.shape) for n, v in data["base"].items()}] if shared else parts_by_tensor(data)
    return added(data, scaled(data, learned(data, *words, columns=columns, **more), columns), c)


def expert_merging_pp(data: dict[str, State], c: dict[str, float], budget: float, focus: float) -> State:
    """arXiv 2509.25712, ++: Expert Merging, then again with ⌊B I^κ / Σ I^κ⌋ chunks per tensor."""
    words = (data, "expert", 0.3, 2, 0.05)
    first, change, names = learned(*words, logistic=0.05), taus(data), sorted(data["base"])
    weight = np.array(
        [sum(first[t, k] * np.abs(change[e][n]).sum() for t, e in enumerate(EXPERTS)) for k, n in enumerate(names)]
    )
    counts = np.floor(budget * len(names) * weight**focus / (weight**focus).sum() + 1e-9).astype(int)
    columns, free = [], []
    for name, count in zip(names, counts, strict=True):
        size, parts = data["base"][name].size, max(1, min(count, data["base"][name].size))
        for part in range(parts):
            mask = {n: np.zeros(v.shape) for n, v in data["base"].items()}
            mask[name].reshape(-1)[size * part // parts : size * (part + 1) // parts] = 1.0
            columns.append(mask)
            free.append(float(count > 0))
    by = learned(*words, columns=columns, logistic=0.05, free=np.array(free))
    return added(data, scaled(data, by, columns), c)


def frank_wolfe(data: dict[str, State], c: dict[str, float], by: str, steps: int) -> State:
    """arXiv 2503.12649, hard selection among the experts and the first merge."""
    change, names, loss = taus(data), sorted(data["base"]), losses("labels", data)
    values = np.full((len(EXPERTS), len(names)), 0.3)
    vertices = [data[e] for e in EXPERTS] + [added(data, change, dict.fromkeys(EXPERTS, 0.3))]
    corners = np.stack([*np.broadcast_to(np.eye(3)[:, :, None], (3, 3, len(names))), values.copy()])
    for step in range(steps):
        now = {
            name: data["base"][name] + sum(values[t, k] * change[e][name] for t, e in enumerate(EXPERTS))
            for k, name in enumerate(names)
        }
        slope = network.gradient(lambda state: sum(loss(state, e, b) for e in EXPERTS for b in (0, 1)), now)
        cosines = np.array(
            [
                [(slope[n] * v[n]).sum() / (np.linalg.norm(slope[n]) * np.linalg.norm(v[n])) for n in names]
                for v in vertices
            ]
        )
        if by == "task":
            cosines = np.broadcast_to(cosines.sum(1, keepdims=True), cosines.shape)
        near = cosines <= cosines.min(0) + 1e-9
        target = np.einsum("vk,vtk->tk", near / near.sum(0), corners)
        values = values + 0.3 * 2 / (step + 2) * (target - values)
    rows = {e: {name: values[t, k] * change[e][name] for k, name in enumerate(names)} for t, e in enumerate(EXPERTS)}
    return added(data, rows, c)


def by_gradients() -> dict[str, list[tuple[dict[str, object], dict[str, float], object, float]]]:
    """Cases of the methods that need gradients."""
    c3, ones = {"a": 0.3, "b": 0.5, "c": 0.8}, dict.fromkeys(EXPERTS, 1.0)
    third = {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    wish = {"a": 2.25, "b": 0.75, "c": 0.0}
    short = {"steps": 3, "rate": 0.05, "look": 0}
    return {
        "fisher": [({}, c3, fisher, 2e-4), ({"floor": 1.0}, ones, lambda d, c: fisher(d, c, 1.0), 2e-5)],
        "adamerging": [
            (short, c3, lambda d, c: trained(d, c, "entropy", 0.3, 3, 0.05), 1e-5),
            (
                {**short, "by": "task", "preference": "a=3,b=1"},
                ones,
                lambda d, c: trained(d, c, "entropy", 0.3, 3, 0.05, shared=True, prefer=wish),
                1e-5,
            ),
        ],
        "atlas": [(short, ones, lambda d, c: trained(d, c, "labels", 0.0, 3, 0.05, 0.1), 1e-5)],
        "expert_merging": [
            (short, ones, lambda d, c: trained(d, c, "expert", 0.3, 3, 0.05, logistic=0.05), 1e-5),
        ],
        "expert_merging_pp": [
            (
                {**short, "steps": 2, "budget": 2.0, "focus": 1.0},
                ones,
                lambda d, c: expert_merging_pp(d, c, 2.0, 1.0),
                1e-5,
            ),
        ],
        "concrete": [
            ({"steps": 0}, ones, lambda d, c: added(d, taus(d), dict.fromkeys(EXPERTS, 0.3)), 1e-6),
            ({"steps": 0, "strength": 1.0}, third, lambda d, c: added(d, taus(d), c), 1e-6),
        ],
        "fw_merging": [
            ({"steps": 3}, c3, lambda d, c: frank_wolfe(d, c, "layer", 3), 1e-5),
            ({"steps": 3, "by": "task"}, ones, lambda d, c: frank_wolfe(d, c, "task", 3), 1e-5),
        ],
    }
