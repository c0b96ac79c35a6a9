"""Is it faster to pass several coefficient vectors' models through one forward pass (`torch.func.vmap`)?"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.func import functional_call, vmap


def measure(repetitions: int = 5) -> dict[str, Any]:
    """Seconds per model of the demo's image tower on 400 samples, one at a time and K at once; processor seconds of
    one thread, so that other programs do not count."""
    from study.demo import write_demo
    from study.measuring.measure import Measurer

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, Measurer(write_demo(Path(folder) / "s"), "cpu") as measurer:
        task = next(iter(measurer.tasks.values()))
        inputs = torch.from_numpy(task.split("validation").inputs)
        network: Any = measurer.model.module
        tower = network.visual
        own = {name: one.detach() for name, one in tower.named_parameters()}
        with torch.no_grad():
            for _ in range(repetitions):
                rows.setdefault("one at a time", []).append(_pass(lambda part: tower(part), inputs, 100))
                for count in (2, 4, 8):
                    many = {name: one.unsqueeze(0).repeat(count, *[1] * one.ndim) for name, one in own.items()}
                    for size in (25, 100):
                        together = vmap(lambda weights, part: functional_call(tower, weights, (part,)), (0, None))
                        taken = _pass(lambda part, f=together, w=many: f(w, part), inputs, size) / count  # type: ignore[misc]
                        rows.setdefault(f"{count} at once, batches of {size}", []).append(taken)
    torch.set_num_threads(threads)
    medians = {name: statistics.median(one) for name, one in rows.items()}
    return {
        "model": "demo",
        "processor_seconds_per_model": medians,
        "best_of_batched_over_one_at_a_time": min(v for k, v in medians.items() if k != "one at a time")
        / medians["one at a time"],
        "raw": rows,
    }


def _pass(forward: Any, inputs: torch.Tensor, size: int) -> float:
    begun = time.process_time()
    for start in range(0, len(inputs), size):
        forward(inputs[start : start + size])
    return time.process_time() - begun
