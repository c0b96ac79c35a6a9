"""The tables of `trials.sqlite`: made, migrated from older versions, or refused; and what SQLite's errors mean."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from study.errors import Failure, StudyError, of_the_computer

SCHEMA = 3
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, context TEXT NOT NULL, method TEXT NOT NULL,
  settings TEXT NOT NULL, coefficients TEXT NOT NULL, origin TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('proposed', 'running', 'done', 'failed')), error TEXT,
  merge REAL NOT NULL DEFAULT 0, forward REAL NOT NULL DEFAULT 0, other REAL NOT NULL DEFAULT 0,
  created REAL NOT NULL, finished REAL);
CREATE TABLE measurements (
  trial TEXT NOT NULL REFERENCES trials (id), split TEXT NOT NULL, task TEXT NOT NULL, metric TEXT NOT NULL,
  value REAL NOT NULL, stderr REAL NOT NULL, n INTEGER NOT NULL, seconds REAL NOT NULL,
  PRIMARY KEY (trial, split, task)) WITHOUT ROWID;
CREATE TABLE worker (
  one INTEGER PRIMARY KEY CHECK (one = 1), pid INTEGER, phase TEXT, done INTEGER, total INTEGER, budget INTEGER,
  method TEXT, heartbeat REAL, started REAL, cancel INTEGER NOT NULL DEFAULT 0, error TEXT);
INSERT INTO worker (one) VALUES (1);
"""
# What turns schema n into n + 1; a study is carried over all of them, one after the other, in one transaction.
STEPS = {
    1: "CREATE TABLE outputs (trial TEXT NOT NULL REFERENCES trials (id), split TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " PRIMARY KEY (trial, split)) WITHOUT ROWID;",
    2: "ALTER TABLE trials ADD COLUMN fidelity INTEGER;",
}


def ready(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables in an empty file, or bring those of an older version up to date.

    A copy of the older file stays beside it as `trials.schema-N.sqlite`.

    Raises:
        StudyError: a newer schema, or a database of something else; nothing was changed.
    """
    found = _schema(db, path)
    if found == SCHEMA:
        return
    if found:
        copy = path.with_suffix(f".schema-{found}.sqlite")
        if not copy.exists():
            draft = copy.with_name(f".{copy.name}.{os.urandom(4).hex()}.part")
            db.execute("VACUUM INTO ?", (str(draft),))
            draft.replace(copy)
    db.execute("BEGIN IMMEDIATE")
    found = _schema(db, path)  # another process may have been faster
    if found == 0:
        _all(db, TABLES)
        db.execute("INSERT INTO meta VALUES ('schema', '1')")
    for step in range(max(found, 1), SCHEMA):
        _all(db, STEPS[step])
    db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(SCHEMA),))
    db.execute("COMMIT")


def _all(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):  # executescript would commit in between
        if statement.strip():
            db.execute(statement)


def _schema(db: sqlite3.Connection, path: Path) -> int:
    """The schema's number; 0 for a file without tables."""
    listed = db.execute("SELECT type, name FROM sqlite_master").fetchall()
    if any(kind in ("trigger", "view") for kind, _ in listed):
        raise StudyError(
            f"{path} holds a trigger or a view: statements that would run when it is used.",
            "Mergescape never writes any; take the file of a source you trust.",
        )
    tables = {name for kind, name in listed if kind == "table"}
    if not tables:
        return 0
    row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() if "meta" in tables else None
    found = int(row[0]) if row and str(row[0]).isdecimal() else -1
    if not 1 <= found <= SCHEMA:
        shown = "none" if row is None else str(row[0])[:40]
        raise StudyError(
            f"{path} has schema {shown}; this version of Mergescape reads schema 1 to {SCHEMA}.",
            "Open it with the version that wrote it; nothing was changed.",
        )
    return found


def explained(error: Exception, path: Path) -> StudyError:
    """What SQLite could not do, and how to mend it: the disk is full, the file is locked, read-only or damaged."""
    name = str(getattr(error, "sqlite_errorname", ""))
    if name.startswith("SQLITE_IOERR") and shutil.disk_usage(path.parent).free < 1 << 20:
        name = "SQLITE_FULL"
    if name.startswith("SQLITE_FULL"):
        return of_the_computer(OSError(28, "No space left on device", str(path)), path.parent) or StudyError("")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Failure(f"{path} is locked by another program.", "End that program, or wait for it.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_PROTOCOL")):
        return Failure(
            f"{path} cannot be opened or written: {error}.",
            "Check its owner, its permissions and the disk; every finished trial is kept.",
        )
    return StudyError(
        f"{path} cannot be read as a store of trials: {error}.",
        f"Rescue what is readable: python -m study repair {path.parent}.",
    )
