"""open_clip without what few models need: timm, transformers, and, by way of torchvision, torch's compiler.

They are four fifths of the seconds that importing it takes, and every command on an open_clip study waits for them. A
model whose tower is timm's or transformers' gets what it needs when it is built.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
# Which part of open_clip is read anew, with the library it wraps, for a config that has this entry.
TOWERS = {
    ("vision_cfg", "timm_model_name"): "open_clip.timm_model",
    ("text_cfg", "hf_model_name"): "open_clip.hf_model",
}
_lock = threading.RLock()
_lean: set[str] = set()


def open_clip() -> ModuleType:
    """The library, imported on first use."""
    with _lock:
        if "open_clip" not in sys.modules:
            _torchvision()
            with _absent("timm", "transformers") as absent:
                importlib.import_module("open_clip")
            _lean.update(TOWERS.values() if absent else ())
        return sys.modules["open_clip"]


def complete(config: Mapping[str, Any]) -> None:
    """Read anew the parts of open_clip that wrap another library, where a model's config names one.

    A module is read into its own names, so what was taken from it before sees the library too.
    """
    with _lock:
        for (part, entry), module in TOWERS.items():
            if module in _lean and (config.get(part) or {}).get(entry):
                importlib.reload(sys.modules[module])
                _lean.discard(module)


def _torchvision() -> None:
    """torchvision, which asks the compiler one question: it is imported when the question is asked, if ever."""
    if "torchvision" in sys.modules or COMPILER in sys.modules:
        return
    with _stand_in():
        try:
            importlib.import_module("torchvision")
        except (ImportError, AttributeError):  # another release asks more of it
            for name in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
                del sys.modules[name]


@contextmanager
def _stand_in() -> Iterator[None]:
    """For the compiler, until the block ends: it knows the one function, and that one asks the compiler itself."""
    compiler, questions = ModuleType(COMPILER), ModuleType(f"{COMPILER}.utils")

    def is_compile_supported(device_type: str) -> bool:
        return bool(importlib.import_module(f"{COMPILER}.utils").is_compile_supported(device_type))

    vars(questions)["is_compile_supported"] = is_compile_supported
    vars(compiler).update(__path__=[], utils=questions)
    sys.modules |= {COMPILER: compiler, f"{COMPILER}.utils": questions}
    try:
        yield
    finally:
        for name in (COMPILER, f"{COMPILER}.utils"):
            del sys.modules[name]


@contextmanager
def _absent(*names: str) -> Iterator[list[str]]:
    """Whoever imports these meanwhile is told that they are not installed, unless they are imported already."""
    absent = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules |= dict.fromkeys(absent)  # None: not to be had
    try:
        yield absent
    finally:
        for name in absent:
            del sys.modules[name]
