"""Published equations of the methods that learn from samples, in plain numpy float64, on tests/golden/network.py."""

import network
import numpy as np

State = dict[str, np.ndarray]
EXPERTS = "abc"


def taus(data: dict[str, State]) -> dict[str, State]:
    return {e: {name: data[e][name] - data["base"][name] for name in data["base"]} for e in EXPERTS}


def added(data: dict[str, State], changes: dict[str, State], coefficients: dict[str, float]) -> State:
    """base + Σ c · change."""
    return {
        name: base + sum(coefficients[e] * changes[e][name] for e in EXPERTS) for name, base in data["base"].items()
    }


def seen(state: State, task: str) -> dict[str, tuple[str, np.ndarray]]:
    """(how, x) of every tensor."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    network.logits(state, task, lambda name, how, x: found.__setitem__(name, (how, x)))
    return found


def matrix(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def solved(data: dict[str, State], name: str, grams: dict[str, np.ndarray], ridge: float, keep: float) -> State:
    """τ_t G̃_t (Σ G̃ + α I)⁻¹, with α τ_t / T added; the pseudo-inverse without ridge."""
    shrunk = {e: keep * g + (1 - keep) * np.diag(np.diag(g)) for e, g in grams.items()}
    total = sum(shrunk.values())
    alpha = ridge * np.trace(total) / len(total)
    change = taus(data)
    inverse = np.linalg.inv(total + alpha * np.eye(len(total))) if ridge else np.linalg.pinv(total, rcond=1e-6)
    found = {}
    for e in EXPERTS:
        pull = matrix(change[e][name]) @ shrunk[e] + alpha * matrix(change[e][name]) / len(EXPERTS)
        found[e] = (pull @ inverse).reshape(change[e][name].shape)
    return found


def regmean(data: dict[str, State], c: dict[str, float], keep: float = 0.95, ridge: float = 1e-6) -> State:
    """arXiv 2212.09849, eq. 2; linear layers only."""
    change = taus(data)
    inputs = {e: seen(data[e], e) for e in EXPERTS}
    rows = {e: {name: value / 3 for name, value in change[e].items()} for e in EXPERTS}
    for name, (how, _) in inputs["a"].items():
        if how == "rows":
            grams = {e: inputs[e][name][1].T @ inputs[e][name][1] / network.ROWS for e in EXPERTS}
            for e, value in solved(data, name, grams, ridge, keep).items():
                rows[e][name] = value
    return added(data, rows, c)


def regmean_pp(data: dict[str, State], c: dict[str, float]) -> State:
    """arXiv 2508.03121: block by block, from what the merged blocks before give; the block itself is the expert's."""
    change = taus(data)
    rows = {e: {name: value / 3 for name, value in change[e].items()} for e in EXPERTS}
    linear = [name for name, (how, _) in seen(data["base"], "a").items() if how == "rows"]
    blocks: dict[str, list[str]] = {}
    for name in linear:
        blocks.setdefault(block(name), []).append(name)
    for place, block_names in blocks.items():
        merged = added(data, rows, dict.fromkeys(EXPERTS, 1.0))
        inputs = {}
        for e in EXPERTS:
            inputs[e] = seen({key: data[e][key] if block(key) == place else merged[key] for key in merged}, e)
        for name in block_names:
            grams = {e: inputs[e][name][1].T @ inputs[e][name][1] / network.ROWS for e in EXPERTS}
            for e, value in solved(data, name, grams, 1e-6, 0.95).items():
                rows[e][name] = value
    return added(data, rows, c)


def block(name: str) -> str:
    """`layers.N`, or the module that a tensor outside of them belongs to."""
    return ".".join(name.split(".")[:2]) if name.startswith("layers.") else name.split(".")[0]


def lot(data: dict[str, State], c: dict[str, float], scale: float = 1.2) -> State:
    """arXiv 2505.23859: layers, convolutions, scales of norms; the mean elsewhere; times λ."""
    change = taus(data)
    inputs = {e: seen(data[e], e) for e in EXPERTS}
    rows = {e: {name: value / 3 for name, value in change[e].items()} for e in EXPERTS}
    for name, (how, _) in inputs["a"].items():
        xs = {e: inputs[e][name][1] for e in EXPERTS}
        if how == "scale":
            energy = {e: (x**2).mean(0) for e, x in xs.items()}
            total = sum(energy.values())
            for e in EXPERTS:
                rows[e][name] = change[e][name] * energy[e] / total
        else:
            for e, value in solved(data, name, {e: x.T @ x / len(x) for e, x in xs.items()}, 0.0, 1.0).items():
                rows[e][name] = value
    return added(data, {e: {n: scale * v for n, v in rows[e].items()} for e in EXPERTS}, c)


def anchored(data: dict[str, State], c: dict[str, float], alpha: float) -> State:
    """Ridge regression with prior mean A: task arithmetic at 1/3. At c = 1."""
    assert set(c.values()) == {1.0}
    anchor = added(data, taus(data), dict.fromkeys(EXPERTS, 1 / 3))
    found, inputs = dict(anchor), {e: seen(data[e], e) for e in EXPERTS}
    for name, (how, _) in inputs["a"].items():
        if how == "rows":
            grams = {e: inputs[e][name][1].T @ inputs[e][name][1] / network.ROWS for e in EXPERTS}
            total = sum(grams.values())
            pull = alpha * np.trace(total) / len(total)
            right = sum(data[e][name] @ grams[e] for e in EXPERTS) + pull * anchor[name]
            found[name] = right @ np.linalg.inv(total + pull * np.eye(len(total)))
    return found


def featcal(
    data: dict[str, State], c: dict[str, float], ridge: float = 0.05, rho: float = 2.2, a: float = 0.25
) -> State:
    """arXiv 2605.13030 as in its solver.py; only what lies in the blocks `layers.i` is calibrated. At c = 1."""
    assert set(c.values()) == {1.0}
    change = taus(data)
    merged = added(data, change, dict.fromkeys(EXPERTS, 1 / 3))
    student = dict(merged)
    for name in ("layers.0.fc.weight", "layers.1.fc.weight"):
        total, right = np.zeros((data["base"][name].shape[1],) * 2), 0.0
        for e in EXPERTS:
            xs, xe = seen(student, e)[name][1], seen(data[e], e)[name][1]
            xt = a * xe + (1 - a) * xs
            ss, st = xs.T @ xs / network.ROWS, xs.T @ xt / network.ROWS
            norm = np.linalg.norm(ss)
            total += ss / norm
            right = right + st / norm @ data[e][name].T
        anchor = rho * merged[name] + (1 - rho) * data["base"][name]
        student[name] = np.linalg.solve(total + ridge * np.eye(len(total)), right + ridge * anchor.T).T
    return student


def pleas(data: dict[str, State], c: dict[str, float], ridge: float = 1e-6) -> State:
    """arXiv 2407.02447, the loss of its pleas_merging.py: mean inputs to mean outputs, of all tasks. At c = 1."""
    assert set(c.values()) == {1.0}
    found = {name: sum(data[e][name] for e in EXPERTS) / 3 for name in data["base"]}
    entered = {e: [seen(data[e], task) for task in EXPERTS] for e in EXPERTS}
    for name, (how, _) in entered["a"][0].items():
        if how == "scale":
            continue
        xs = {e: np.concatenate([one[name][1] for one in entered[e]]) for e in EXPERTS}
        bias = name.removesuffix("weight") + "bias"
        if bias not in found:
            bias = ""
        ys = {e: xs[e] @ matrix(data[e][name]).T + (data[e][bias] if bias else 0.0) for e in EXPERTS}
        x, y = (sum(one.values()) / 3 for one in (xs, ys))
        centre = (x.mean(0), y.mean(0)) if bias else (0.0, 0.0)
        u, v = x - centre[0], y - centre[1]
        gram = u.T @ u / len(u)
        pull = ridge * np.trace(gram) / len(gram)
        w = (v.T @ u / len(u) + pull * matrix(found[name])) @ np.linalg.inv(gram + pull * np.eye(len(gram)))
        found[name] = w.reshape(found[name].shape)
        if bias:
            found[bias] = centre[1] - w @ centre[0]
    return found


def react(data: dict[str, State], c: dict[str, float], beta: float, wish: dict[str, float]) -> State:
    """arXiv 2511.10943: W_p = (Σ p Ŵ C)(Σ p C)⁻¹ after task arithmetic at 1/3, in the last projection. At c = 1."""
    assert set(c.values()) == {1.0}
    merged = added(data, taus(data), dict.fromkeys(EXPERTS, 1 / 3))
    name, bias = "z.proj.weight", "z.proj.bias"
    right, total = 0.0, 0.0
    for e in EXPERTS:
        ours = seen(merged, e)[name][1] @ merged[name].T + merged[bias]
        theirs = seen(data[e], e)[name][1] @ data[e][name].T + data[e][bias]
        second, cross = ours.T @ ours / network.ROWS, theirs.T @ ours / network.ROWS
        pull = beta * np.trace(second) / len(second)
        u, _, vt = np.linalg.svd(cross)
        gram = second + pull * np.eye(len(second))
        own = (cross + pull * u @ vt) @ np.linalg.inv(gram)
        right, total = right + wish[e] * own @ gram, total + wish[e] * gram
    w = right @ np.linalg.inv(total)
    return {**merged, name: w @ merged[name], bias: w @ merged[bias]}
