"""Every screen in every state: studies that stand as they would, and where to look at them."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from study.demo import write_demo
from study.study import Study, open_study
from study.worker import LOG, only_worker

PICK = "pick=0.5~0.5~0.5"


@dataclass(frozen=True)
class Screen:
    """A picture's name, the path to open, and a text that is there once the screen is complete."""

    name: str
    path: str
    mark: str


SCREENS = (
    Screen("home", "/", "How it works"),
    Screen("experts-new", "/experts", "Specialists"),
    Screen("experts-open", "/experts?study=done", "Do the models belong together?"),
    Screen("experts-missing", "/experts?study=gone", "is not on this computer"),
    Screen("setup-first", "/setup", "First choose the models"),
    Screen("setup-open", "/setup?study=done", "Task arithmetic"),
    Screen("run-none", "/run", "No study is open"),
    Screen("run-damaged", "/run?study=damaged", "unknown field"),
    Screen("run-new", "/run?study=fresh", "Do the models belong together?"),
    Screen("run-running", "/run?study=running", "of 30 mixes measured"),
    Screen("run-paused", "/run?study=paused", "Everything stays in memory"),
    Screen("run-failed", "/run?study=failed", "The worker stopped"),
    Screen("run-memory", "/run?study=memory", "Memory ran out"),
    Screen("run-interrupted", "/run?study=interrupted", "was interrupted"),
    Screen("run-cancelled", "/run?study=cancelled", "What was measured stays usable"),
    Screen("run-done", "/run?study=done", "All results as a table"),
    Screen("explore-none", "/explore?study=fresh", "Nothing to explore yet"),
    Screen("explore", "/explore?study=done", "your mix"),
    Screen("export-none", "/export?study=fresh", "No mix is chosen yet"),
    Screen("export-predicted", f"/export?study=done&{PICK}", "Export it unchecked"),
    Screen("export-checked", "/export?study=done&pick=1~0~0", "Write the checkpoint"),
    Screen("history", "/history", "Bring in a study"),
    Screen("compare", "/compare?a=done:task_arithmetic&b=failed:task_arithmetic", "Hollow circles"),
)


@contextmanager
def prepared(home: Path, measured: Path) -> Iterator[None]:
    """Studies in every state below ``home``, copied from a measured demo; running ones hold their lock meanwhile."""
    ends = {
        "done": ("finished", None),
        "failed": ("failed", "The disk is full."),
        "memory": ("failed", "Memory ran out (CUDA out of memory)."),
        "interrupted": ("measuring", None),
        "cancelled": ("cancelled", None),
        "running": ("measuring", None),
        "paused": ("paused", None),
    }
    write_demo(home / "fresh")
    with ExitStack() as stack:
        for key, (phase, error) in ends.items():
            shutil.copytree(measured, home / key)
            study = open_study(home / key)
            Study(study.folder, study.settings.model_copy(update={"name": f"Digits, signs and flags: {key}"})).save()
            study.store.begin(1, "task_arithmetic", 12 if key == "done" else 30)
            study.store.say(phase, 12, 30, error)
            (study.folder / LOG).write_text("preparing samples …\n" + (f"{error}\n" if error else ""))
            if key in ("running", "paused"):
                stack.enter_context(only_worker(study.folder))
            if key == "paused":
                study.store.request_pause()
            with closing(sqlite3.connect(study.store.path)) as db, db:
                # Nobody beats for these: a sign of life from the future never grows old.
                db.execute("UPDATE worker SET heartbeat = heartbeat + 86400")
        shutil.copytree(home / "fresh", home / "damaged")
        path = home / "damaged" / "study.yaml"
        path.write_text(path.read_text().replace("seed:", "sede:"))
        yield
