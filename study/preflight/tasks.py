"""Do model and tasks fit, and are there enough samples? What is read here is kept for the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from evaluation.data.corruption import corrupted
from evaluation.data.opening import open_source
from evaluation.errors import EvaluationError
from evaluation.evaluate import check_metric, classes_of, make_head
from evaluation.models.code import CodeModel
from evaluation.models.model import Model
from evaluation.samples import Samples, recorded
from evaluation.task import SPLITS, TaskSpec
from merging import Checkpoint, task_vectors
from study.errors import StudyError
from study.measuring.network import open_network
from study.measuring.samples import FOLDER, specs
from study.preflight.finding import Finding, Level
from study.study import Study

FEW = 100


@dataclass
class Looked:
    """The model, and one prepared input of each task that can be measured."""

    findings: list[Finding] = field(default_factory=list)
    model: Model | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    heads: dict[str, Any] = field(default_factory=dict)


def open_bound(study: Study, device: torch.device, bare: bool) -> Looked:
    """The study's network with the base's weights in it, or why that cannot be."""
    looked = Looked()
    base = study.settings.base
    try:
        model = open_network(study, device, bare)
        path = study.path(base.weights)
        with task_vectors(Checkpoint("base", path, ""), [Checkpoint("itself", path, "itself")]) as vectors:
            entries = [(entry.name, entry.shape, entry.offset) for entry in vectors.layout.entries]
            model.bind(entries, vectors.base().to(device), {name: vectors.other(name) for name in vectors.others})
        if isinstance(model, CodeModel):
            _try_metrics(study, model, looked)
            return looked
    except (EvaluationError, StudyError) as error:
        looked.findings.append(refused("model", f"model '{base.model}'", error))
        return looked
    looked.model = model
    return looked


def _try_metrics(study: Study, model: CodeModel, looked: Looked) -> None:
    """Let the person's own code measure the base once: every axis must get a number."""
    found = model.metrics("validation", study.settings.seed)
    for axis in study.settings.axes or ():
        if axis.kind == "code" and axis.name not in found:
            text = f"metrics in '{model.name}' gives no '{axis.name}'; it gives {', '.join(found)}."
            remedy = "Name the study's axes of kind code as its metrics are named."
            looked.findings.append(Finding("stop", "model", f"axis '{axis.name}'", text, remedy))


def look_at_tasks(study: Study, looked: Looked, say: Callable[[str, int, int], None]) -> None:
    """Draw every task's samples (recorded, so the run need not), and try one of them and the head."""
    wanted = specs(study)
    for number, spec in enumerate(wanted):
        say("reading samples", number, len(wanted))
        try:
            _one_task(study, spec, looked)
        except EvaluationError as error:
            looked.findings.append(refused("tasks", f"task '{spec.name}'", error))
    say("reading samples", len(wanted), len(wanted))
    _same_data(wanted, looked)


def refused(topic: Any, where: str, error: EvaluationError | StudyError) -> Finding:
    """A finding that says what the error says."""
    text = str(error).removesuffix(error.cure).strip() if error.cure else str(error)
    return Finding("stop", topic, where, text, error.cure)


def _one_task(study: Study, spec: TaskSpec, looked: Looked) -> None:
    where = f"task '{spec.name}'"
    source = open_source(spec.data)
    classes, _ = classes_of(spec, source)
    samples = recorded(spec, source, study.settings.seed, study.folder / FOLDER)
    check_metric(spec, classes, samples)
    _notes(where, samples, classes, looked)
    if looked.model is None:
        return
    looked.heads[spec.name] = make_head(spec, classes, source, looked.model)
    first = next(iter(samples.splits.values())).ids[0]
    shown = corrupted(source, spec.corruption, study.settings.seed).read(first)
    looked.inputs[spec.name] = looked.model.preprocess([shown])


def _notes(where: str, samples: Samples, classes: Sequence[str], looked: Looked) -> None:
    add = looked.findings.append
    for said in samples.notes(where.removeprefix("task ").strip("'")):
        level: Level = "warn" if "cannot be read" in said else "note"
        add(Finding(level, "tasks", where, said))
    for split in SPLITS[1:]:
        if split not in samples.splits:
            continue
        drawn = samples.splits[split]
        counts = Counter(drawn.targets)
        if len(drawn.ids) < FEW:
            error = 0.5 / len(drawn.ids) ** 0.5
            text = f"It has {len(drawn.ids)} {split} samples: an accuracy is known to about ± {100 * error:.0f} points."
            add(Finding("warn", "tasks", where, text, f"Give it more samples.{split} if the data have them."))
        empty = [name for number, name in enumerate(classes) if not counts[number]]
        if empty:
            named = ", ".join(f"'{each}'" for each in empty[:3])
            text = f"{len(empty)} of {len(classes)} classes have no {split} sample ({named})."
            add(Finding("note", "tasks", where, text, f"Raise samples.{split} to see them."))


def _same_data(wanted: Sequence[TaskSpec], looked: Looked) -> None:
    owner: dict[Path, str] = {}
    for spec in wanted:
        if spec.data in owner:
            text = f"It reads the same data as task '{owner[spec.data]}'."
            remedy = "Fine for a second metric; otherwise check the path."
            looked.findings.append(Finding("note", "tasks", f"task '{spec.name}'", text, remedy))
        owner.setdefault(spec.data, spec.name)
