"""The model card of an export: what was merged, how, what it measures, what to cite, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from merging import NEEDS, Recipe
from study.licences import licences
from study.observe import task_metrics
from study.study import Study
from study.trial import Measured


def card(
    study: Study,
    recipe: Recipe,
    test: Mapping[str, Measured],
    validation: Mapping[str, Measured],
    baselines: Mapping[str, Any],
    hashes: Mapping[str, str],
) -> str:
    """The Markdown text of README.md, with the front matter that model hubs read."""
    library = "open_clip" if any(name.startswith("open_clip") for name in hashes) else "transformers"
    parts = [
        _front_matter(study, test, library),
        f"# {_plain(study.settings.name)}\n",
        f"One model merged from {len(recipe.experts)} experts of one base with Mergescape "
        f"(method `{recipe.method}`).{'' if recipe.prepared else ' Merging needs no training.'}\n",
        "## What it measures\n",
        _table(study, test, validation, baselines),
        "\nTest samples were seen neither by the experts' training nor by the search that chose these coefficients; "
        "validation samples were what the search saw, so their numbers flatter. ± is one standard error.\n",
        _learning(recipe),
        "## Coefficients\n",
        "".join(f"- {_plain(name)}: {value:g}\n" for name, value in recipe.coefficients.items()),
        "\n## How to load it\n",
        _loading(library),
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
            "dataset": {"name": task.title or task.name, "type": task.name, "split": "test"},
            "metrics": [{"type": one.name, "value": round(test[task.name].value, 6)}],
        }
        for task, one in zip(study.tasks, task_metrics(study), strict=True)
    ]
    matter = {
        "library_name": library,
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
    for task, one in zip(study.tasks, task_metrics(study), strict=True):
        others = [_base_value(baselines, label, task.name) for label in ("base", "average", f"expert:{task.name}")]
        cells = [
            _plain(task.title or task.name),
            one.title,
            _number(test[task.name]),
            _number(validation[task.name]),
            *others,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _number(one: Measured) -> str:
    return f"{one.value:.3f} ± {one.stderr:.3f} (n = {one.n})"


def _base_value(baselines: Mapping[str, Any], label: str, task: str) -> str:
    found = baselines.get(label)
    return "–" if found is None else f"{found['metrics'][task]['value']:.3f}"


def _paper(paper: Any) -> str:
    where = f"arXiv:{paper.arxiv}" if paper.arxiv else ""
    return ", ".join(part for part in (paper.authors, paper.title, str(paper.year), where) if part)


def _loading(library: str) -> str:
    return _OPEN_CLIP if library == "open_clip" else _TRANSFORMERS


_OPEN_CLIP = """```python
import open_clip
from safetensors.torch import load_file

model, preprocess = open_clip.create_model_from_pretrained("local-dir:.")  # this folder
head = load_file("heads/TASK.safetensors")["weight"]
logits = model.encode_image(preprocess(picture).unsqueeze(0), normalize=True) @ head.T
```
"""

_TRANSFORMERS = """```python
from evaluation.models.head import read_head  # of Mergescape; or read the few tensors yourself
from transformers import AutoModel

encoder = AutoModel.from_pretrained(".")  # this folder
head = read_head(Path("heads/TASK.safetensors"), encoder.device)
logits = head(features)  # the pooled output, or the first token where the kind has no pooler
```
"""


def _plain(text: str) -> str:
    """A name as plain text in Markdown: no markup, no HTML, no line breaks."""
    kept = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+!|" else char for char in kept)
