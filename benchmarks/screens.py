"""Every screen in every state: studies that stand as they would, and where to look at them."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from study.background.worker import LOG
from study.demo import write_demo
from study.folder.lock import only_worker
from study.settings import MethodChoice
from study.study import Study, open_study
from ui import copy, copy_export, copy_history, copy_run, copy_setup

PICK = "pick=0.5~0.5~0.5"


def _changing(page: Page) -> None:
    """From the list of studies to the second step of a draft, everything beyond tasks and methods open."""
    page.get_by_label(copy_history.FIND).fill("own models")
    page.get_by_label(copy_history.FIND).press("Enter")
    page.get_by_role("button", name=copy_history.MORE, exact=True).nth(1).wait_for(state="detached")
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')")  # what is drawn anew would close again
    page.get_by_role("button", name=copy_history.MORE, exact=True).click()
    page.get_by_role("button", name=copy_history.CHANGE).click()
    page.get_by_role("button", name=copy.NEXT_TASKS).click()
    page.get_by_text(copy.BUDGET_TITLE).wait_for()  # the end of the page: what is opened now stays open
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')")
    page.get_by_text(copy_setup.ADVANCED, exact=True).click()


def _unfit(page: Page) -> None:
    """Files that are not there, and a kind of model that nobody has."""
    for label, text in ((copy.MODEL_LABEL, "ViT-B-23"), (copy.BASE_LABEL, "/models/gone.safetensors")):
        page.get_by_label(label, exact=True).fill(text)
        page.get_by_label(label, exact=True).press("Enter")
        page.get_by_text(re.compile("there is no(ne| file)")).last.wait_for()
        page.wait_for_function("() => !document.querySelector('[data-stale=true]')")


def _opened(page: Page) -> None:
    """What is done less often with a study, unfolded."""
    page.get_by_role("button", name=copy_history.MORE, exact=True).first.click()


@dataclass(frozen=True)
class Screen:
    """A picture's name, the path to open, a text that is there once the screen is complete, and what to do first."""

    name: str
    path: str
    mark: str
    first: Callable[[Page], None] | None = None

    def show(self, page: Page, address: str) -> None:
        """Open it and wait until it is complete."""
        page.goto(address + self.path)
        if self.first is not None:
            self.first(page)
        page.get_by_text(self.mark).first.wait_for(timeout=60_000)


SCREENS = (
    Screen("home", "/", "How it works"),
    Screen("experts-new", "/experts", "Specialists"),
    Screen("experts-wrong", "/experts", copy.FILES_ABOVE, _unfit),
    Screen("experts-open", "/experts?study=done", "Do the models belong together?"),
    Screen("experts-missing", "/experts?study=gone", "is not on this computer"),
    Screen("setup-first", "/setup", "First choose the models"),
    Screen("setup-form", "/history", copy_setup.HELD, _changing),
    Screen("setup-open", "/setup?study=done", "Task arithmetic"),
    Screen("run-none", "/run", "No study is open"),
    Screen("run-damaged", "/run?study=damaged", "unknown field"),
    Screen("run-new", "/run?study=fresh", copy_run.DOCTOR_FINE),
    Screen("run-running", "/run?study=running", copy.LIVE_TITLE),
    Screen("run-learning", "/run?study=learning", copy.LIVE_TITLE),
    Screen("run-paused", "/run?study=paused", copy.LIVE_TITLE),
    Screen("run-failed", "/run?study=failed", "The run stopped"),
    Screen("run-memory", "/run?study=memory", "Memory ran out"),
    Screen("run-interrupted", "/run?study=interrupted", "was interrupted"),
    Screen("run-cancelled", "/run?study=cancelled", "What was measured stays usable"),
    Screen("run-done", "/run?study=done", "All results as a table"),
    Screen("explore-none", "/explore?study=fresh", "Nothing to explore yet"),
    Screen("explore", "/explore?study=done", "Real samples on which"),
    Screen("export-none", "/export?study=fresh", "No mix is chosen yet"),
    Screen("export-predicted", f"/export?study=done&{PICK}", "Export it unchecked"),
    Screen("export-checked", "/export?study=done&pick=1~0~0", "Write the model file"),
    Screen("export-forms", "/export?study=forms&pick=0.9~0.3~0.5", copy_export.FORM),
    Screen("history", "/history", "Bring in a study"),
    Screen("history-more", "/history", copy_history.JOURNEY, _opened),
    Screen("server", "/server", "Files are read as data"),
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
        "learning": ("training", None),
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
            if key in ("running", "paused", "learning"):
                stack.enter_context(only_worker(study.folder))
            if key == "paused":
                study.store.request_pause()
            with closing(sqlite3.connect(study.store.path)) as db, db:
                # Nobody beats for these: a sign of life from the future never grows old.
                db.execute("UPDATE worker SET heartbeat = heartbeat + 86400")
        shutil.copytree(home / "fresh", home / "forms")
        ties = open_study(home / "forms")
        Study(ties.folder, ties.settings.model_copy(update={"methods": (MethodChoice(name="ties"),)})).save()
        _own(home / "fresh", home / "own")
        shutil.copytree(home / "fresh", home / "damaged")
        path = home / "damaged" / "study.yaml"
        path.write_text(path.read_text().replace("seed:", "sede:"))
        yield


def _own(fresh: Path, target: Path) -> None:
    """The demo's models as somebody's own, which can be changed."""
    shutil.copytree(fresh, target)
    models = target / "models"
    (models / "mergescape-demo.json").rename(models / "tiny.json")
    study = open_study(target)
    base = study.settings.base.model_copy(update={"model": "models/tiny.json"})
    more = {"name": "My own models", "base": base, "groups": "slope"}
    Study(target, study.settings.model_copy(update=more)).save()
