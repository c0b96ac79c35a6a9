"""docs/methods.md, made from the classes: `python -m merging --list --markdown > docs/methods.md`."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

from merging.access import NEEDS
from merging.describing.description import describe
from merging.describing.left_out import LEFT_OUT, SAID_OTHERWISE, Elsewhere
from merging.method import CLASSES, Method, methods

HEAD = """# Methods
Made from the classes by `python -m merging --list --markdown`; a test fails when they differ.

T experts, base θ_0, task vectors τ_t = θ_t − θ_0, coefficients c_t: one number per expert, searched within the box.
A *setting* stays fixed during a study. Where a paper (or its authors' code) and mergekit 0.1.5 define a method
differently, `variant` says which is meant; the default is the paper. Every method has golden values in
`tests/golden/`, with where they come from, and passes the battery `tests/merging/test_every_method.py`.

Some methods *learn from samples*: the calibration split of each task, which is used for nothing else. An expert's own
samples are those of the task of its name (of all tasks where none has its name). What was learned is kept in the study
folder, directions like those of any linear method; an export's recipe names that file and its SHA-256.

## Classes
"""
EXACT = "The exact form is computed again with the real coefficients (`exact: true`); see `merging.frozen_distance`."
ADAPTER = "- Adapters: merged from their factors with `--adapter`, which writes an adapter."
FORMS = """How far the two forms are apart on your own weights, at your own coefficients:

```python
from merging import frozen_distance, method, reference, task_vectors

with task_vectors(reference("base", base), [reference("a", a), reference("b", b)]) as vectors:
    frozen_distance(method("ties"), vectors, {"a": 1.0, "b": 0.3})  # ‖frozen − exact‖ / ‖exact − base‖
```

In a study `python -m study forms DIR --at …` says it, with the metrics of both forms; `study export` writes the frozen
form, with `--exact` the other, and says in the model card how far apart they are.

## Chance
Random methods draw from their `seed`, the expert, the tensor's name and the place in it, and from nothing else: the
same on any device, in any order, however the files are cut. `python -m study spread DIR --at … --method dare_linear`
measures the same coefficients with several seeds: how far the weights and every metric move, beside the error of one
measurement.

"""


def methods_page() -> str:
    """Return docs/methods.md."""
    kinds = list(methods().values())
    parts = [HEAD, *(f"- **{name}**: {note}\n" for name, note in CLASSES.items()), "\n", FORMS, _overview(kinds)]
    parts += [_section(kind) for kind in kinds]
    parts.append("## Said with another method\n" + _elsewhere(SAID_OTHERWISE))
    parts.append("\n## Left out, and why\n" + _elsewhere(LEFT_OUT))
    return "".join(parts)


def _overview(kinds: Sequence[type[Method]]) -> str:
    rows = (
        (f"[{kind.name}](#{kind.name})", kind.linearity, _experts(kind), kind.summary, _source(describe(kind)["paper"]))
        for kind in kinds
    )
    return f"## All {len(kinds)}\n" + _table(("method", "class", "experts", "in a sentence", "paper"), rows) + "\n"


def _section(kind: type[Method]) -> str:
    facts = describe(kind)
    paper = facts["paper"]
    published = ", ".join(f"{value:.4g} for T = {count}" for count, value in facts["default"].items())
    lines = [
        f"## {facts['name']}",
        f"**{facts['title']}.** {facts['summary']}",
        "",
        inspect.cleandoc(kind.__doc__ or ""),
        "",
        f"- Class: {facts['class']}." + (f" {EXACT}" if facts["exact_form"] else ""),
        f"- Coefficients: searched from {facts['bounds'][0]:g} to {facts['bounds'][1]:g}; default {published}.",
        f"- Experts: {_experts(kind)}; their order {'does not matter' if facts['symmetric'] else 'matters'}.",
        *([f"- Learns from {'; '.join(NEEDS[need] for need in kind.needs_data)}."] if kind.needs_data else []),
        *([ADAPTER] if kind.in_factors else []),
        f"- Paper: {paper['title']}, {paper['year']} ({_source(paper)}).",
        "",
    ]
    rows = ((f"`{each['name']}`", f"{each['default']}", each["allowed"], each["help"]) for each in facts["settings"])
    settings = (
        _table(("setting", "default", "allowed", "what it does"), rows) if facts["settings"] else "No settings.\n"
    )
    return "\n".join(lines) + "\n" + settings + "\n"


def _experts(kind: type[Method]) -> str:
    low, high = kind.experts
    return f"{low} or more" if high is None else f"{low}" if low == high else f"{low} to {high}"


def _source(paper: dict[str, Any]) -> str:
    if not paper["arxiv"]:
        return str(paper["authors"])
    authors = f"{paper['authors']}, " if paper["authors"] else ""
    return f"{authors}[arXiv {paper['arxiv']}](https://arxiv.org/abs/{paper['arxiv']})"


def _elsewhere(rows: Sequence[Elsewhere]) -> str:
    return _table(
        ("method", "paper", "why"),
        ((each.title, f"[arXiv {each.arxiv}](https://arxiv.org/abs/{each.arxiv})", each.why) for each in rows),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
