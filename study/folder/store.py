"""Every trial of a study in one SQLite file: one finished trial is one transaction."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from study.errors import StudyError
from study.folder.schema import explained, ready
from study.folder.trial import CANCEL, PAUSE, Measured, Progress, Trial

FILE = "trials.sqlite"


class Store:
    """The trials of one study (write-ahead logging: readers never wait for the worker)."""

    def __init__(self, path: Path, context: str) -> None:
        """Open or create the file; ``context`` names what all trials share (samples, seed, experts)."""
        self.path = path
        self.context = context
        with self._connect() as db:
            ready(db, path)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection for one use. A study on a read-only disk can be read.

        Raises:
            StudyError: the file is damaged. Failure: the disk is full, the file is locked or may not be written.
        """
        fixed = self.path.exists() and not os.access(self.path.parent, os.W_OK)
        # SQLite reads a journal on a read-only disk only where it finds its index, and a lone file only as immutable.
        mode = "?mode=ro" if self.path.with_name(f"{self.path.name}-wal").exists() else "?immutable=1"
        address = f"{self.path.absolute().as_uri()}{mode if fixed else ''}"
        db = None
        try:
            db = sqlite3.connect(address, timeout=30, isolation_level=None, uri=True)
            db.execute("PRAGMA trusted_schema = OFF")
            if not fixed:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.execute("PRAGMA foreign_keys = ON")
            yield db
        except StudyError:
            raise
        except (sqlite3.Error, ValueError, TypeError) as error:  # numbers and texts that are none, in damaged rows
            raise explained(error, self.path) from error
        finally:
            if db is not None:
                db.close()

    def check(self) -> None:
        """Read the whole file once.

        Raises:
            StudyError: it is damaged; names what SQLite found first.
        """
        with self._connect() as db:
            found = [str(row[0]) for row in db.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise explained(sqlite3.DatabaseError(found[0].splitlines()[-1]), self.path)

    def trials(self) -> list[Trial]:
        """All trials of this context, oldest first."""
        with self._connect() as db:
            db.execute("BEGIN")
            rows = db.execute(
                "SELECT id, number, state, method, settings, coefficients, origin, error, merge, forward, other,"
                " finished, fidelity FROM trials WHERE context = ? ORDER BY number",
                (self.context,),
            ).fetchall()
            found: dict[str, dict[str, dict[str, Measured]]] = {}
            for trial, split, task, metric, value, stderr, n, seconds in db.execute(
                "SELECT trial, split, task, metric, value, stderr, n, seconds FROM measurements"
            ):
                found.setdefault(trial, {}).setdefault(split, {})[task] = Measured(metric, value, stderr, n, seconds)
            db.execute("COMMIT")
            return [_trial(row, found.get(row[0], {})) for row in rows]

    def trial(self, identity: str) -> Trial:
        """One trial by its id.

        Raises:
            StudyError: no such trial.
        """
        for trial in self.trials():
            if trial.id == identity:
                return trial
        raise StudyError(
            f"There is no trial '{identity}' in {self.path}.", "List them: python -m study status DIR --json."
        )

    def propose(
        self,
        identity: str,
        method: str,
        settings: Mapping[str, object],
        coefficients: Mapping[str, float],
        origin: str,
        fidelity: int | None = None,
    ) -> bool:
        """Add a proposed trial; False if it is already there. ``fidelity``: samples per task it sees (None: all).

        A failed one that is asked for is proposed again; one that was asked for becomes the plan's when the plan
        comes to it.
        """
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            row = db.execute("SELECT state FROM trials WHERE id = ?", (identity,)).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO trials (id, context, method, settings, coefficients, origin, state, created, fidelity)"
                    " VALUES (?, ?, ?, ?, ?, ?, 'proposed', ?, ?)",
                    (
                        identity,
                        self.context,
                        method,
                        _json(settings),
                        _json(coefficients),
                        origin,
                        time.time(),
                        fidelity,
                    ),
                )
            elif row[0] == "failed" and origin == "asked":
                db.execute("UPDATE trials SET state = 'proposed', error = NULL WHERE id = ?", (identity,))
            elif origin not in ("asked", "baseline", "finalist"):
                db.execute(
                    "UPDATE trials SET origin = ? WHERE id = ? AND origin IN ('asked', 'finalist')", (origin, identity)
                )
            db.execute("COMMIT")
        return row is None

    def start(self, identity: str) -> None:
        """Mark a proposed trial as running."""
        with self._connect() as db:
            db.execute("UPDATE trials SET state = 'running' WHERE id = ? AND state = 'proposed'", (identity,))

    def finish(
        self,
        identity: str,
        measured: Mapping[str, Measured],
        seconds: Mapping[str, float],
        split: str = "validation",
        sha256: str | None = None,
    ) -> None:
        """Write a split's measurements and, for the validation split, the state *done*, as one transaction.

        ``sha256`` is that of the file of per-sample outputs, which stands on disk already.
        """
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            if sha256 is not None:
                db.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?, ?)", (identity, split, sha256))
            for task, one in measured.items():
                db.execute(
                    "INSERT OR IGNORE INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (identity, split, task, one.metric, one.value, one.stderr, one.n, one.seconds),
                )
            if split == "validation":
                db.execute(
                    "UPDATE trials SET state = 'done', error = NULL, merge = ?, forward = ?, other = ?, finished = ?"
                    " WHERE id = ? AND state <> 'done'",
                    (seconds["merge"], seconds["forward"], seconds["other"], time.time(), identity),
                )
            db.execute("COMMIT")

    def fail(self, identity: str, error: str) -> None:
        """Mark a trial as failed and keep the reason."""
        with self._connect() as db:
            db.execute(
                "UPDATE trials SET state = 'failed', error = ?, finished = ? WHERE id = ? AND state <> 'done'",
                (error, time.time(), identity),
            )

    def retry(self, identities: Sequence[str]) -> None:
        """Put failed trials back to *proposed*."""
        with self._connect() as db:
            for identity in identities:
                db.execute(
                    "UPDATE trials SET state = 'proposed', error = NULL WHERE id = ? AND state = 'failed'", (identity,)
                )

    def withdraw(self, identity: str) -> None:
        """Put a running trial back to *proposed*: nobody measures it any more."""
        with self._connect() as db:
            db.execute("UPDATE trials SET state = 'proposed' WHERE id = ? AND state = 'running'", (identity,))

    def outputs(self) -> dict[tuple[str, str], str]:
        """The SHA-256 of the file of per-sample outputs, by trial and split."""
        with self._connect() as db:
            return {(trial, split): digest for trial, split, digest in db.execute("SELECT * FROM outputs")}

    def recover(self) -> int:
        """Put trials that a dead worker left running, and failed ones, back to *proposed*; how many there were.

        What was planned after a failed one, and is not done, is withdrawn: the plan proposes it again, knowing more.
        """
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "DELETE FROM trials WHERE context = ? AND origin = 'proposal' AND state <> 'done' AND number >"
                " (SELECT MIN(number) FROM trials WHERE context = ? AND state = 'failed')"
                " AND id NOT IN (SELECT trial FROM measurements)",
                (self.context, self.context),
            )
            if db.execute("SELECT changes()").fetchone()[0]:
                db.execute("UPDATE sqlite_sequence SET seq = (SELECT MAX(number) FROM trials) WHERE name = 'trials'")
            found = db.execute(
                "UPDATE trials SET state = 'proposed', error = NULL"
                " WHERE state IN ('running', 'failed') AND context = ?",
                (self.context,),
            ).rowcount
            db.execute("COMMIT")
            return found

    def progress(self) -> Progress:
        """What the worker last said."""
        with self._connect() as db:
            row = db.execute(
                "SELECT pid, phase, done, total, budget, method, heartbeat, started, cancel, error FROM worker"
            ).fetchone()
        pid, phase, done, total, budget, method, heartbeat, started, cancel, error = row
        asked = {"cancel": cancel == CANCEL, "pause": cancel == PAUSE}
        return Progress(
            pid, phase, done or 0, total or 0, budget or 0, method, heartbeat, started, **asked, error=error
        )

    def begin(self, pid: int, method: str, budget: int) -> None:
        """A worker starts: forget what the last one said, and any old request to cancel."""
        now = time.time()
        with self._connect() as db:
            db.execute(
                "UPDATE worker SET pid = ?, phase = 'starting', done = 0, total = 0, budget = ?, method = ?,"
                " heartbeat = ?, started = ?, cancel = 0, error = NULL",
                (pid, budget, method, now, now),
            )

    def say(self, phase: str, done: int, total: int, error: str | None = None) -> None:
        """The worker's phase, how many steps of it are done, the error it ended with; moves its heartbeat."""
        with self._connect() as db:
            db.execute(
                "UPDATE worker SET phase = ?, done = ?, total = ?, error = ?, heartbeat = ?",
                (phase, done, total, error, time.time()),
            )

    def beat(self) -> None:
        """Move the heartbeat: the worker is alive inside a long trial."""
        with self._connect() as db:
            db.execute("UPDATE worker SET heartbeat = ?", (time.time(),))

    def request_cancel(self, wanted: bool = True) -> None:
        """Ask the worker to stop after the current batch (or take the request back)."""
        with self._connect() as db:
            db.execute("UPDATE worker SET cancel = ?", (CANCEL if wanted else 0,))

    def request_pause(self, wanted: bool = True) -> None:
        """Ask the worker to wait after the current trial, with everything kept in memory (or to go on)."""
        with self._connect() as db:
            db.execute("UPDATE worker SET cancel = ? WHERE cancel <> ?", (PAUSE if wanted else 0, CANCEL))

    def revision(self) -> str:
        """A text that changes whenever a trial or measurement is added or changes state."""
        with self._connect() as db:
            row = db.execute(
                "SELECT (SELECT COUNT(*) FROM trials), (SELECT COUNT(*) FROM trials WHERE state = 'done'),"
                " (SELECT COUNT(*) FROM trials WHERE state = 'failed'), (SELECT COUNT(*) FROM measurements)"
            ).fetchone()
        return f"{self.context}-" + "-".join(str(count) for count in row)


def _json(value: Mapping[str, object] | Mapping[str, float]) -> str:
    return json.dumps(dict(value), allow_nan=False)


def _trial(row: tuple[object, ...], found: dict[str, dict[str, Measured]]) -> Trial:
    identity, number, state, method, settings, coefficients, origin, error, *seconds, finished, fidelity = row
    merge, forward, other = (float(str(one)) for one in seconds)
    return Trial(
        id=str(identity),
        number=int(str(number)),
        state=str(state),
        method=str(method),
        settings=json.loads(str(settings)),
        coefficients=json.loads(str(coefficients)),
        origin=str(origin),
        metrics=found.get("validation", {}),
        test=found.get("test", {}),
        seconds={"merge": merge, "forward": forward, "other": other},
        error=None if error is None else str(error),
        finished=None if finished is None else float(str(finished)),
        fidelity=None if fidelity is None else int(str(fidelity)),
    )
