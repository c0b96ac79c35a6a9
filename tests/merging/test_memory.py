"""Merging holds one tensor of each expert, however many tensors there are."""

import ctypes
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from merging import merge_plan, merge_tensors, method, reference, task_vectors, write

M_MMAP_THRESHOLD = -3
STATUS = Path("/proc/self/status")
COUNT, SHAPE = 48, (512, 512)


def own_memory() -> int:
    """Return the anonymous memory of this process in bytes (mapped files do not count: they can be dropped)."""
    found = re.search(r"RssAnon:\s+(\d+) kB", STATUS.read_text())
    return int(found.group(1)) * 1024 if found else 0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write a base and two experts of COUNT tensors each; they are large, and gone with the last test of this file."""
    folder = tmp_path_factory.mktemp("memory")
    generator = torch.Generator().manual_seed(0)
    for who in ("base", "a", "b"):
        state = {f"layers.{number}.weight": torch.randn(SHAPE, generator=generator) for number in range(COUNT)}
        write(folder / f"{who}.safetensors", state, {})
        del state
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not STATUS.exists(), reason="reads /proc")
@pytest.mark.parametrize("name", ["task_arithmetic", "ties", "dare_ties", "pcb", "karcher"])
def test_peak_memory_does_not_grow_with_the_model(name: str, models: Path, tmp_path: Path) -> None:
    if sys.platform == "linux":  # large pieces go back to the system at once: what is measured is what is held
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 17)
    base, *experts = (reference(who, models / f"{who}.safetensors") for who in ("base", "a", "b"))
    with task_vectors(base, experts) as vectors:
        plan = merge_plan(vectors)
    peaks = [own_memory()]

    def watched():
        for pair in merge_tensors(method(name), base, experts, {"a": 0.3, "b": 0.4}):
            peaks.append(own_memory())
            yield pair

    write(tmp_path / "out.safetensors", watched(), {}, plan)
    one_tensor, model = 512 * 512 * 4, 512 * 512 * 4 * COUNT
    assert len(peaks) == COUNT + 1
    assert max(peaks[6:]) - peaks[5] < 20 * one_tensor < model / 2, max(peaks[6:]) - peaks[5]
