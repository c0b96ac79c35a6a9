"""Merging checkpoints larger than memory: bounded memory, and nothing half-written under the final name."""

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from merging import write
from merging.__main__ import run
from merging.files.writing import Slot

ROOT = Path(__file__).parents[2]
SIDE, LAYERS = 512, 4  # a layer is 1 MiB
RECIPE = """\
base: {{name: base, path: base}}
experts: [{experts}]
method: {method}
coefficients: {{{coefficients}}}
"""
MERGEKIT = "merge_method: {method}\nbase_model: base\nparameters: {{weight: 0.3, density: 0.5}}\nmodels: [{models}]\n"
PEAK = """
import re, sys
from pathlib import Path
from merging.__main__ import run

for arguments in (sys.argv[1:3], sys.argv[3:5]):
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    if run(arguments):
        sys.exit("failed")
    print("PEAK", re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))
"""


def sharded(folder: Path, seed: int, shards: int) -> None:
    """Write a checkpoint of `shards` files of LAYERS MiB each, with an index."""
    generator = torch.Generator().manual_seed(seed)
    where: dict[str, str] = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        names = [f"layers.{shard * LAYERS + number}.weight" for number in range(LAYERS)]
        plan = [Slot(each, torch.float32, (SIDE, SIDE)) for each in names]
        write(folder / name, ((each, torch.randn(SIDE, SIDE, generator=generator)) for each in names), {}, plan)
        where |= {each: name for each in names}
    rows = ", ".join(f'"{key}": "{value}"' for key, value in where.items())
    (folder / "model.safetensors.index.json").write_text(f'{{"metadata": {{}}, "weight_map": {{{rows}}}}}')


def family(folder: Path, experts: int, shards: int) -> Path:
    for number, who in enumerate(["base", *(f"e{n}" for n in range(experts))]):
        sharded(folder / who, number, shards)
    return folder


def recipe(folder: Path, experts: int, method: str) -> Path:
    names = [f"e{number}" for number in range(experts)]
    listed = ", ".join(f"{{name: {name}, path: {name}}}" for name in names)
    text = RECIPE.format(experts=listed, method=method, coefficients=", ".join(f"{name}: 0.3" for name in names))
    (folder / "recipe.yaml").write_text(text)
    (folder / "mergekit.yml").write_text(
        MERGEKIT.format(method=method, models=", ".join(f"{{model: {name}}}" for name in names))
    )
    return folder / "recipe.yaml"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc")
@pytest.mark.parametrize(("file", "method"), [("recipe.yaml", "task_arithmetic"), ("mergekit.yml", "ties")])
def test_peak_memory_does_not_grow_with_the_model(file: str, method: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PEAK]
    for shards in (2, 20):  # 5 checkpoints of 8 MiB, then of 80 MiB
        folder = family(tmp_path / str(shards), 4, shards)
        recipe(folder, 4, method)
        command += [str(folder / file), str(tmp_path / f"out{shards}")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    small, large = (int(found) // 1024 for found in re.findall(r"PEAK (\d+)", done.stdout))
    assert large - small < 180, (small, large)  # 5 · 32 MiB may stay mapped; all of it would be 360 more


# Struck from within, at a moment of its own that Python's audit events tell: no race with a fast merge.
STRUCK = """
import os, runpy, signal, sys
from concurrent.futures import ThreadPoolExecutor

moment, how, *sys.argv[1:] = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
seen, submit = set(), ThreadPoolExecutor.submit

def strike(event, given):
    seen.add(event)
    begun = event == "tempfile.mkstemp"
    written = event == "os.chmod" and isinstance(given[0], int)
    if moment == "begun" and begun or moment == "written" and written:
        os.kill(os.getpid(), int(how))

def submitted(*given, **named):
    if moment == "merging" and "tempfile.mkstemp" in seen:
        os.kill(os.getpid(), int(how))
    return submit(*given, **named)

ThreadPoolExecutor.submit = submitted
sys.addaudithook(strike)
runpy.run_module("merging", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("moment", ["begun", "merging", "written"])
@pytest.mark.parametrize(("name", "how"), [("out", signal.SIGINT), ("out.safetensors", signal.SIGKILL)])
def test_an_interrupted_merge_leaves_nothing_under_its_name(
    name: str, how: signal.Signals, moment: str, tmp_path: Path
) -> None:
    folder = family(tmp_path / "in", 2, 2)
    place = tmp_path / "to"
    place.mkdir()
    given = [moment, str(int(how)), str(recipe(folder, 2, "ties")), str(place / name)]
    merge = subprocess.run([sys.executable, "-c", STRUCK, *given], cwd=ROOT, capture_output=True, text=True)
    left = [path.name for path in place.iterdir()]
    assert merge.returncode != 0 and not (place / name).exists()
    if how == signal.SIGINT:  # nothing at all is left; after a kill, only what is plainly marked as a part
        assert not left and "nothing was written" in merge.stderr
    assert all(path.startswith(".out") and path.endswith(".part") for path in left)
    assert bool(left) == (how == signal.SIGKILL and moment != "begun")


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let every write beyond `size` bytes of a file fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["out", "out.safetensors"])
@pytest.mark.parametrize("file", ["recipe.yaml", "mergekit.yml"])
def test_a_disk_that_is_full_leaves_nothing_and_says_so(file: str, name: str, tmp_path: Path, capsys) -> None:
    folder = family(tmp_path / "in", 2, 2)
    recipe(folder, 2, "task_arithmetic")
    with no_file_above(3 << 20):
        assert run([str(folder / file), str(tmp_path / "to" / name)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("The merge failed: ") and said.count("\n") == 1
    assert not list((tmp_path / "to").iterdir())


def test_an_earlier_merge_survives_a_failing_one(tmp_path: Path) -> None:
    folder = family(tmp_path / "in", 2, 1)
    arguments = [str(recipe(folder, 2, "task_arithmetic")), str(tmp_path / "out")]
    assert run(arguments) == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    with no_file_above(1 << 20):
        assert run(arguments) == 1
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before
