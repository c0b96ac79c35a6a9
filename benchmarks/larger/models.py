"""The larger study's models in a folder: trained once, and found again by a run that goes on."""

import argparse
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

TRAINING_SEED = 0
FACTS = "training.json"  # beside the models: how each was trained, written when it is done


def trained(folder: Path, given: argparse.Namespace, processes: int = 1) -> dict[str, Any]:
    """Train the models that the folder lacks, beside the sheets, heads and configuration; how it went.

    The base is trained first; on a CPU the others then come `processes` at a time, each on one thread.
    """
    import torch

    from benchmarks.larger import training
    from benchmarks.larger.pictures import SIDE
    from benchmarks.peers.machine import machine

    size, materials = training.SIZES[given.size], _materials(given)
    said = _known(folder, asdict(size), [each.subject.name for each in materials])
    training.write_config(size, SIDE, folder / "model.json")
    training.write_heads(materials, training.rows(materials, size.embed, TRAINING_SEED), folder / "heads")
    with ThreadPoolExecutor() as threads:
        sheets = [threads.submit(_sheet, each, folder / "tasks") for each in materials]
        for names in (("base",), (*(["joint"] if size.joint else []), *said["tasks"])):
            for name, found in _each([one for one in names if one not in said], folder, given, processes):
                said["parameters"] = found.pop("parameters")
                said[name] = found
                print(name, found, flush=True)
                (folder / FACTS).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        for sheet in sheets:
            sheet.result()
    facts = {**machine(), "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu"}
    if given.device == "cuda":
        torch.cuda.empty_cache()
    return {"machine": facts, "training": said}


def _sheet(material: Any, folder: Path) -> None:
    """Write the sheet of a task where it is not yet: whole at once, for another run in this folder may read it."""
    from demo.sheets import write_sheet

    place = folder / material.subject.name
    if place.exists():
        return
    draft = folder / f".{place.name}.{os.getpid()}"
    write_sheet(material, draft)
    try:
        draft.rename(place)
    except OSError:
        shutil.rmtree(draft)
        if not place.exists():
            raise


def _known(folder: Path, size: dict[str, Any], tasks: list[str]) -> dict[str, Any]:
    """What the folder says of its models, which must be those that are asked for."""
    asked: dict[str, Any] = json.loads(json.dumps({"size": size, "tasks": tasks}))
    if not (folder / FACTS).exists():
        return asked
    found: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if any(found[key] != asked[key] for key in asked):
        raise SystemExit(f"{folder} holds models of another size or of other tasks: take another folder.")
    return found


def _materials(given: argparse.Namespace) -> list[Any]:
    """The pictures of the tasks that the size takes."""
    from benchmarks.larger.pictures import unpack
    from benchmarks.larger.training import SIZES

    tasks = SIZES[given.size].tasks
    return [each for each in unpack(given.pictures) if tasks is None or each.subject.name in tasks]


def _each(
    names: Sequence[str], folder: Path, given: argparse.Namespace, processes: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Train these models, in this process or side by side."""
    if processes == 1 or len(names) < 2 or given.device == "cuda":
        for name in names:
            yield name, _one(name, folder, given)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = {name: pool.submit(_one, name, folder, given, 1) for name in names}
        for name, job in jobs.items():
            yield name, job.result()


def _one(name: str, folder: Path, given: argparse.Namespace, threads: int | None = None) -> dict[str, Any]:
    """Train one model and write it: the base, the joint model, or the expert of a task."""
    import torch
    from safetensors.torch import load_file

    from benchmarks.larger import training
    from evaluation.device import pick_device

    if threads is not None:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    size, device, materials = training.SIZES[given.size], pick_device(given.device), _materials(given)
    every = training.rows(materials, size.embed, TRAINING_SEED)
    start = None if name == "base" else load_file(folder / "base.safetensors", device=str(device))
    data = training.pictures(materials, device, None if name in ("base", "joint") else name)
    schedule = {"base": size.base, "joint": size.joint}.get(name, size.expert)
    meant = training.wanted(materials, vague=name == "base")
    seed = TRAINING_SEED + (name != "base")
    model, seconds = training.train(folder / "model.json", start, data, every, meant, schedule, size, seed)
    training.save(model, folder / f"{name}.safetensors")
    found = {"seconds": seconds, "held": training.accuracies(model, materials, every)}
    found["parameters"] = sum(each.numel() for each in model.visual.parameters())
    return found if start is None else {**found, "moved": training.distance(model, start)}
