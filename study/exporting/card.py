"""The model card of an export: what was merged, how, what it measures, what to cite, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from merging import NEEDS, Recipe
from study.axes import Axis, axes
from study.exporting.licences import licences
from study.exporting.loading import loading
from study.folder.trial import Measured
from study.study import Study

PLAIN = ("fraction", "correlation")  # units that need no word


def card(
    study: Study,
    recipe: Recipe,
    test: Mapping[str, Measured],
    validation: Mapping[str, Measured],
    baselines: Mapping[str, Any],
    hashes: Mapping[str, str],
    library: str,
    folder: Path,
    apart: float | None = None,
) -> str:
    """The Markdown text of README.md, with the front matter that model hubs read; library: whose network it is;
    folder: where everything else of the export stands already.

    ``apart`` is how far the frozen and the exact form of the method differ on these experts (`study.varying.forms`).
    """
    parts = [
        _front_matter(study, test, library),
        f"# {_plain(study.settings.name)}\n",
        f"One model merged from {len(recipe.experts)} experts of one base with Mergescape "
        f"(method `{recipe.method}`).{'' if recipe.prepared else ' Merging needs no training.'}\n",
        "## What it measures\n",
        _table(study, test, validation, baselines),
        _honesty(study),
        _learning(recipe),
        "## Coefficients\n",
        "".join(f"- {_plain(name)}: {value:g}\n" for name, value in recipe.coefficients.items()),
        "" if apart is None else f"\n{_form(recipe, apart)}\n",
        "\n## How to load it\n",
        f"```python\n{loading(folder)}\n```\n",
        "## Rebuilding and checking\n",
        "`recipe.yaml` names the base and the experts by SHA-256 fingerprint, the method, its settings and the "
        "coefficients. `python -m study verify .` rebuilds the file, compares the bytes and measures again.\n\n",
        "".join(f"- `{name}` sha256 `{value}`\n" for name, value in sorted(hashes.items())),
        "\n## Cite\n",
        "".join(f"- {_paper(paper)}\n" for paper in recipe.papers),
        "\n## Licences\n",
        "".join(
            f"- {_plain(one.part)}: {_plain(one.licence or 'not stated in its files')}\n" for one in licences(study)
        ),
        "\nThey, and those of the data, apply to this model.\n",
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _honesty(study: Study) -> str:
    """What the splits mean, and whether that can be known."""
    if not study.tasks:
        return (
            "\nThese numbers are what a Python file of the study's owner gave for the merged weights; whether its test "
            "numbers are of samples that the search never saw is up to that file. ± is one standard error.\n"
        )
    return (
        "\nTest samples were seen neither by the experts' training nor by the search that chose these coefficients; "
        "validation samples were what the search saw, so their numbers flatter. ± is one standard error.\n"
    )


def _form(recipe: Recipe, apart: float) -> str:
    """Which of the method's two forms this is, and how far the other one is."""
    own = (
        "computed again with these coefficients" if recipe.exact else "held as at equal coefficients, as the study did"
    )
    other = "frozen" if recipe.exact else "exact"
    return (
        f"What `{recipe.method}` elects or masks was {own} (the {'exact' if recipe.exact else 'frozen'} form). "
        f"The {other} form of this merge differs by {apart:.1%} of the change from the base."
    )


def _learning(recipe: Recipe) -> str:
    """What the method learned from; the warning where those were the test samples."""
    needs = recipe.made().needs
    if not needs:
        return ""
    said = f"The method learned from {'; '.join(NEEDS[need] for need in needs)}.\n"
    if "test inputs" in needs:
        return f"**Transductive:** {said[0].lower()}{said[1:]}"
    return said


def _front_matter(study: Study, test: Mapping[str, Measured], library: str) -> str:
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": one.title, "type": one.name, "split": "test"},
            "metrics": [{"type": one.metric, "value": round(test[one.name].value, 6)}],
        }
        for one in axes(study)
        if one.formula is not None
    ]
    matter = {
        "library_name": {"torchvision": "pytorch", "code": "pytorch"}.get(library, library),
        "tags": ["merge", "mergescape"],
        "base_model_relation": "merge",
        "model-index": [{"name": study.settings.name, "results": results}],
    }
    return f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)}---\n"


def _table(
    study: Study,
    test: Mapping[str, Measured],
    validation: Mapping[str, Measured],
    baselines: Mapping[str, Any],
) -> str:
    """Test beside validation, and the validation numbers of base, average and the task's own expert."""
    lines = [
        "| task | metric | test | validation | base | average | own expert |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in axes(study):
        others = [_base_value(baselines, label, one.name) for label in ("base", "average", f"expert:{one.name}")]
        cells = [
            _plain(one.title),
            one.label if one.unit in PLAIN else f"{one.label} ({one.unit})",
            _number(test[one.name], one),
            _number(validation[one.name], one),
            *others,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _number(one: Measured, axis: Axis) -> str:
    if axis.formula is None:
        return f"{one.value:.4g}" + (f" ± {one.stderr:.2g}" if one.stderr else "")
    return f"{one.value:.3f} ± {one.stderr:.3f} (n = {one.n})"


def _base_value(baselines: Mapping[str, Any], label: str, task: str) -> str:
    found = baselines.get(label)
    return "–" if found is None else f"{found['metrics'][task]['value']:.3f}"


def _paper(paper: Any) -> str:
    where = f"arXiv:{paper.arxiv}" if paper.arxiv else ""
    return ", ".join(part for part in (paper.authors, paper.title, str(paper.year), where) if part)


def _plain(text: str) -> str:
    """A name as plain text in Markdown: no markup, no HTML, no line breaks."""
    kept = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+!|" else char for char in kept)
