"""One chosen mix as others want to have it: a recipe for `python -m merging`, and the command lines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import yaml

from study.folder.pins import pinned
from study.settings import MethodChoice
from study.study import Study


def recipe_text(study: Study, choice: MethodChoice, coefficients: Mapping[str, float]) -> str:
    """The recipe as YAML, paths relative to the study's folder; `python -m merging` rebuilds the mix from it."""
    known = pinned(study.folder)

    def part(name: str, path: str) -> dict[str, str]:
        return {"name": name, "path": path} | ({"fingerprint": known[name]} if name in known else {})

    return yaml.safe_dump(
        {
            "format": 1,
            "base": part("base", study.settings.base.weights),
            "experts": [part(expert.name, expert.weights) for expert in study.experts],
            "method": choice.name,
            "settings": dict(choice.settings),
            "coefficients": {name: float(coefficients[name]) for name in study.coefficients},
        }
        | ({} if study.settings.groups is None else {"groups": study.settings.groups}),
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )


def command_lines(
    study: Study, choice: MethodChoice, coefficients: Mapping[str, float], want: Mapping[str, float], name: str | None
) -> list[str]:
    """What to type for the same: predict the mix, measure it, export it, and choose by the same minimums."""
    folder = shlex.quote(str(study.folder))
    at = shlex.quote(",".join(f"{name}={coefficients[name]:.6g}" for name in study.coefficients))
    method = f" --method {choice.name}"
    model = f" --surrogate {name}" if name else ""
    lines = [
        f"python -m study predict {folder} --at {at}{method}{model}",
        f"python -m study measure {folder} --at {at}{method}",
        f"python -m study export {folder} --at {at}{method} --out OUT",
    ]
    if want:
        least = shlex.quote(",".join(f"{task}={value:.6g}" for task, value in want.items()))
        lines.append(f"python -m study choose {folder} --want {least}{method}{model}")
    return lines
