"""What `python -m study` takes, read from the program: no benchmark, but a table that is made all the same."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.results import Results


def listed(_: Results) -> str:
    """Every command of a study with its arguments and options, the most used first."""
    from typer.main import get_command

    from study.commands.terminal import app

    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    order = ["demo", "doctor", "run", "status", "front", "predict", "measure", "choose", "export", "verify"]
    names = [*order, *sorted(set(commands) - set(order))]
    return "\n".join(_one(name, commands[name]) for name in names)


def _one(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name not in ("json", "as_json")]
    words = [f"[{one.name.upper()}]" if not one.required else one.name.upper() for one in arguments]
    said = (command.help or "").strip().splitlines()[0]
    lines = [f"### {name}", f"`python -m study {' '.join([name, *words])}`: {_small(said)}", ""]
    rows = [(f"`{one.name.upper()}`", one.help) for one in arguments if one.name != "folder"]
    rows += [(f"`{max(one.opts, key=len)}`", one.help) for one in options]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {word} | {said or ''} |" for word, said in rows), ""]
    return "\n".join(lines)


def _small(text: str) -> str:
    """A sentence that goes on after a colon."""
    return text[0].lower() + text[1:] if text[1:2].islower() else text
