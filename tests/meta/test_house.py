"""The house rules that a linter does not know: sizes, names, what the browser's process loads, telemetry."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

FOLDERS = ("merging", "evaluation", "surrogate", "study", "ui", "demo", "benchmarks", "examples")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
COMMANDS = sorted((ROOT / "study" / "commands").glob("*.py"))
SCRIPTS = sorted((ROOT / "ui").rglob("*.js"))


@pytest.mark.parametrize("path", FILES + TESTS + SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_named_for_one_thing(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    assert not set(path.relative_to(ROOT).with_suffix("").parts) & {"utils", "helpers", "common", "misc", "core"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= 50, f"{path.name}: {node.name}"


def test_the_browser_process_never_loads_torch() -> None:
    code = (
        "import importlib, pathlib, sys\n"
        "modules = ['study.' + m for m in ('study', 'folder.store', 'settings', 'status', 'front', 'predict',"
        " 'background.worker', 'background.catalogue', 'keeping.library', 'demo', 'choosing.gallery')]\n"
        "modules += ['ui.' + p.stem for p in pathlib.Path('ui').glob('*.py') if p.stem != '__init__'] + ['app']\n"
        "[importlib.import_module(m) for m in modules]\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'\n"
        "assert 'open_clip' not in sys.modules, 'open_clip was loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_light_command_loads_no_heavy_library() -> None:
    code = (
        "import sys, study.commands, study.status\n"
        "heavy = {'torch', 'open_clip', 'scipy', 'moocore', 'sklearn', 'streamlit'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_sent_anywhere() -> None:
    config = (ROOT / ".streamlit" / "config.toml").read_text()
    assert re.search(r"gatherUsageStats\s*=\s*false", config)
    for path in [*(ROOT / "ui").rglob("*.js"), *(ROOT / "ui").rglob("*.css")]:
        assert not re.search(r"https?://(?!www\.w3\.org)", path.read_text()), path


def test_the_imports_go_one_way() -> None:
    done = subprocess.run([str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_own_files_are_imported_at_the_top() -> None:
    # Inside functions only where that keeps torch, scipy or numba out of what starts often; each of these says so.
    late = {
        "merging/combining/fused.py",
        "study/axes.py",
        "study/preflight/doctor.py",
        *(str(p.relative_to(ROOT)) for p in COMMANDS),
    }
    own = ("merging", "evaluation", "surrogate", "study", "ui")
    for path in (path for folder in own for path in (ROOT / folder).rglob("*.py")):
        for outer in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
                found = [one.module for one in ast.walk(outer) if isinstance(one, ast.ImportFrom) and one.module]
                found += [name.name for one in ast.walk(outer) if isinstance(one, ast.Import) for name in one.names]
                ours = [name for name in found if name.partition(".")[0] in own]
                assert not ours or str(path.relative_to(ROOT)) in late, (path, ours)


def test_the_readme_lists_every_folder() -> None:
    readme = (ROOT / "README.md").read_text()
    for folder in FOLDERS:
        assert f"`{folder}/`" in readme


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == project["version"] and cited["license"] == project["license"]
    for template in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(template.read_text())
