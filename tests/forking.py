"""Commands and scripts as processes of their own, without the seconds in which each would import the same libraries.

`python -m tests.forking` loads the libraries and none of our own modules, and forks one `python -m PACKAGE WORDS…` or
`python SCRIPT WORDS…` per order. The child imports our modules itself, in the order in which that command asks for
them; its arguments, environment, streams and exit code are its own. What it shares with its siblings are the libraries
and the hash seed.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("torch", "open_clip", "safetensors.torch", "scipy.stats", "moocore", "pydantic", "yaml", "typer")
SAFE = sys.platform == "linux"  # elsewhere some of these libraries do not bear a fork
_servers: list[subprocess.Popen[str]] = []


def run_package(package: str, *words: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    """Run `python -m PACKAGE WORDS…` in the checkout; ``fresh``: in an interpreter that has loaded nothing yet."""
    order = {"package": package, "words": words, "environ": {**os.environ, "PYTHONPATH": str(ROOT)}}
    return _fresh(order) if fresh or not SAFE else _forked(order)


def run_script(script: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `python SCRIPT WORDS…` in a folder."""
    order = {"script": str(script), "words": words, "environ": dict(os.environ), "folder": str(folder)}
    return _forked(order) if SAFE else _fresh(order)


def _fresh(order: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = ["-m", order["package"]] if "package" in order else [order["script"]]
    return subprocess.run(
        [sys.executable, *command, *order["words"]], cwd=order.get("folder", ROOT), env=order["environ"],
        capture_output=True, text=True,
    )  # fmt: skip


def _forked(order: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """What it wrote, and how it ended (-N: by signal N)."""
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place) / name for name in ("out", "err")]
        try:
            server.stdin.write(json.dumps({**order, "streams": [str(path) for path in streams]}) + "\n")
            server.stdin.flush()
            answer = server.stdout.readline()
        except BaseException:  # a time-out or Ctrl-C: nobody waits for the answer any more
            _end(server)
            raise
        if not answer:
            _end(server)
            raise AssertionError("the forking process ended")
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in streams)
    return subprocess.CompletedProcess(
        [order.get("package", order.get("script")), *order["words"]], int(answer), out, err
    )


def end_forking() -> None:
    """End the forking process, if there is one."""
    for server in list(_servers):
        _end(server)


def _server() -> subprocess.Popen[str]:
    if not _servers:
        _servers.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.forking"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )
        )  # fmt: skip
    return _servers[0]


def _end(server: subprocess.Popen[str]) -> None:
    _servers.remove(server)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.communicate()


def serve() -> dict[str, Any] | None:
    """Load, then fork one child per order and tell its exit code. Returns in the children, with their order."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # a collection in a child would copy every page
    for line in sys.stdin:
        child = os.fork()
        if not child:
            order = json.loads(line)
            assert isinstance(order, dict)
            return order
        status = os.waitpid(child, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def obey(order: dict[str, Any]) -> None:
    """Be the command, and end without taking 800 MB of libraries apart first."""
    for number, path in ((0, os.devnull), *zip((1, 2), order["streams"], strict=True)):
        handle = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(0, closefd=False)
    os.environ.clear()
    os.environ.update(order["environ"])
    code = 0
    try:
        _run_here(order)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
        code = 1
    # What an interpreter does at its end, but for taking itself apart; typeshed leaves the private names out.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run_here(order: dict[str, Any]) -> None:
    if "package" in order:
        sys.argv = [order["package"], *order["words"]]
        runpy.run_module(order["package"], run_name="__main__", alter_sys=True)
        return
    sys.argv = [order["script"], *order["words"]]
    os.chdir(order["folder"])
    sys.path[:] = [str(Path(order["script"]).parent), *(path for path in sys.path if path != str(ROOT))]
    runpy.run_path(order["script"], run_name="__main__")


if __name__ == "__main__":
    wanted = serve()
    if wanted:
        obey(wanted)
