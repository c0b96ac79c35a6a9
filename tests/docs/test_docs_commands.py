"""Every command block of README and docs is run here, or marked with what it needs; outputs are as they are shown."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from typer.main import get_group as command_of
from typer.testing import CliRunner

from benchmarks.tables.__main__ import main as tables
from merging.__main__ import app as merging_app
from study import settings
from study.commands.terminal import app as study_app
from study.folder.study_file import parse
from tests.conftest import ROOT, copied
from tests.docs.blocks import NEEDS, Block, blocks

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_COMMANDS = [page for page in PAGES if any(one.kind == "sh" and not one.needs for one in blocks(page))]
NUMBER = re.compile(r"\d[\d.,]*(?: (?:ms|s|min|h|kB|MB|GB)\b)?")


@pytest.fixture
def sandbox(measured_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the measured demo as `my-study`, a base, and two adapters on it."""
    copied(measured_demo, tmp_path / "my-study")
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.empty(shape).normal_(generator=generator)

    save_file({"layer.weight": random(8, 8)}, tmp_path / "base.safetensors")
    for name in ("poetry", "law"):
        folder = tmp_path / "adapters" / name
        folder.mkdir(parents=True)
        config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["layer"]}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        factors = {"A.weight": random(4, 8), "B.weight": random(8, 4)}
        named = {f"base_model.model.layer.lora_{side}": factor for side, factor in factors.items()}
        save_file(named, folder / "adapter_model.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str) -> str:
    """Run one command as typed, in this process; what it printed."""
    words = shlex.split(command)
    if words[:3] == ["python", "-m", "benchmarks.tables"]:
        assert tables(["--check"]) == 0, "run: python -m benchmarks.tables"
        return ""
    app = {"study": study_app, "merging": merging_app}[words[2]]
    assert words[:2] == ["python", "-m"], command
    if words[2:4] == ["study", "demo"]:
        fresh = f"{words[4]}-as-new"
        words[4] = fresh
    done = CliRunner().invoke(app, words[3:])
    assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception}"
    return done.stdout.replace("-as-new", "")


def plain(text: str) -> str:
    """A text with a mark for every number: those differ between machines, the words do not."""
    return NUMBER.sub("#", text).strip()


def looks_like(shown: str, printed: str) -> bool:
    """Whether a printed text is the one that the page shows; a line of … stands for any lines."""
    parts = [re.escape(part.strip("\n")) for part in re.split(r"^…$", plain(shown), flags=re.MULTILINE)]
    return re.fullmatch(r"\s*" + r"(?:.*\n?)*?".join(parts) + r"\s*", plain(printed)) is not None


def differs(shown: Any, printed: Any, where: str = "") -> str:
    """Where a printed JSON has other fields than the one that the page shows; "…" stands for more of the same kind."""
    if shown is None or printed is None or shown == "…":
        return ""
    if isinstance(shown, dict) and isinstance(printed, dict):
        names = set(shown) - {"…"}
        if names - set(printed) or ("…" not in shown and set(printed) - names):
            return f"{where or 'the object'}: {sorted(names ^ set(printed))}"
        parts = [differs(shown[name], printed[name], f"{where}.{name}") for name in names]
    elif isinstance(shown, list) and isinstance(printed, list):
        parts = [differs(shown[0], one, f"{where}[]") for one in printed] if shown else []
    else:
        number = (int, float)
        same = isinstance(printed, number) if isinstance(shown, number) else isinstance(printed, type(shown))
        return "" if same else f"{where}: {shown!r} is shown, {printed!r} printed"
    return next(filter(None, parts), "")


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run_in_their_order(page: Path, sandbox: Path) -> None:
    for block in blocks(page):
        if block.kind == "yaml" and block.title == "recipe.yaml":
            (sandbox / block.title).write_text(block.body, encoding="utf-8")
        if block.kind != "sh" or block.needs:
            continue
        printed = ""
        for command in block.commands:
            # twelve trials are measured already; where the page says "measured 12 now" these are none
            printed = run(command).replace(str(sandbox.resolve()) + "/", "")
        assert block.shown is None or looks_like(block.shown, printed), f"shown:\n{block.shown}\nprinted:\n{printed}"
        if block.fields is not None:
            found = differs(json.loads(block.fields), json.loads(printed))
            assert not found, f"{block.body}: {found}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_block_that_is_not_run_says_what_it_needs(page: Path) -> None:
    for block in blocks(page):
        assert block.kind not in ("bash", "shell", "console"), f"{page.name}: write ```sh, so that it is run"
        if not block.needs:
            continue
        assert block.needs in NEEDS, f"{page.name}: {block.needs}"
        for command in block.commands:
            check_by_reading(shlex.split(command, comments=True))


def check_by_reading(words: list[str]) -> None:
    """What is not run is there at least: make's targets, benchmarks and their options."""
    if words[0] == "make" and len(words) > 1:
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, flags=re.MULTILINE), words
    if words[:3] == ["python", "-m", "study"]:
        offered = command_of(study_app).commands[words[3]].params
        options = {option for parameter in offered for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words
    if words[:2] == ["python", "-m"] and words[2].startswith("benchmarks."):
        path = ROOT / (words[2].replace(".", "/") + ".py")
        source = path.read_text(encoding="utf-8")
        for word in words[3:]:
            if word.startswith("--"):
                assert f'"{word}"' in source, f"{path.name} has no option {word}"


def test_every_field_of_a_study_file_is_explained() -> None:
    page = (ROOT / "docs" / "own_models.md").read_text(encoding="utf-8")
    parts = [settings.BaseChoice, settings.TaskChoice, settings.MethodChoice, settings.Samples, settings.Settings]
    missing = [
        f"{part.__name__}.{name}" for part in parts for name in part.model_fields if not re.search(rf"\b{name}\b", page)
    ]
    assert not missing, missing


def test_the_study_files_of_the_pages_are_right() -> None:
    found: list[Block] = [one for page in PAGES for one in blocks(page) if one.kind == "yaml"]
    studies = [one for one in found if {"base", "experts", "tasks"} <= set(yaml.safe_load(one.body))]
    assert len(studies) >= 3
    for block in studies:
        parse(block.body)
