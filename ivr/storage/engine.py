"""The connection to the database: SQLite's safety settings, one writer, errors made readable."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ivr.errors import StorageError

BUSY_TIMEOUT_MS = 5000
_WRITE_OPTION = "ivr_write"

_REMEDIES = {
    "SQLITE_FULL": (
        "the disk, or the database's size limit, is full",
        "Free disk space; the case is safe in its folder and `ivr recover` enters it later.",
    ),
    "SQLITE_BUSY": (
        f"another process held the database for more than {BUSY_TIMEOUT_MS / 1000:.0f} s",
        "Stop the other process that writes to it (a backup, a database browser), then repeat.",
    ),
    "SQLITE_LOCKED": (
        "another connection holds a lock",
        "Stop the other process that writes to it, then repeat.",
    ),
    "SQLITE_CORRUPT": (
        "the database file is damaged",
        "Keep the file aside, put back the last backup, then run `ivr recover`.",
    ),
    "SQLITE_NOTADB": (
        "the file is not an SQLite database",
        "Check storage.ledger_url; keep the file aside and run `ivr recover` to build a new one.",
    ),
    "SQLITE_READONLY": (
        "the database cannot be written",
        "Give this user write permission on the database file and on its folder.",
    ),
    "SQLITE_CANTOPEN": (
        "the database file cannot be opened",
        "Check that the folder exists and belongs to this user.",
    ),
    "SQLITE_IOERR": (
        "reading or writing the disk failed",
        "Look at the disk (`dmesg`, free space, quota), then repeat.",
    ),
}


def explain(problem: BaseException, action: str) -> StorageError:
    """The StorageError that says what a database driver's complaint means."""
    origin = getattr(problem, "orig", None) or problem
    name = str(getattr(origin, "sqlite_errorname", ""))
    for known, (why, remedy) in _REMEDIES.items():
        if name.startswith(known):
            return StorageError(f"The ledger could not {action}.", why=why, remedy=remedy)
    return StorageError(
        f"The ledger could not {action}.",
        why=f"{name or type(origin).__name__}: {origin}",
        remedy="Run `ivr doctor`; the sealed case folders are not affected.",
    )


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what the database driver raises into StorageError."""
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, OSError) as problem:
        raise explain(problem, action) from problem


def parse_url(text: str | Path) -> URL:
    """The database address: a path, ``sqlite:///path`` or ``sqlite+aiosqlite:///path``.

    Raises:
        StorageError: not an address, in memory, or another database (the SQL is written for
            PostgreSQL too, but nothing but SQLite has been run, so nothing else is accepted).
    """
    try:
        url = (
            make_url(str(text)) if "://" in str(text) else URL.create("sqlite", database=str(text))
        )
    except exc.ArgumentError as problem:
        raise StorageError(
            "The ledger's address cannot be read.",
            why=str(problem),
            remedy="Use sqlite:///absolute/path/ledger.db, or leave storage.ledger_url empty.",
        ) from problem
    if url.get_backend_name() != "sqlite":
        raise StorageError(
            f"A ledger on {url.get_backend_name()} is not supported.",
            why="only SQLite is tested in this version",
            remedy="Use sqlite:///absolute/path/ledger.db, or leave storage.ledger_url empty.",
        )
    if not url.database or url.database == ":memory:":
        raise StorageError(
            "A ledger in memory is not a ledger.",
            why="it would be lost with the process",
            remedy="Name a file: sqlite:///absolute/path/ledger.db.",
        )
    return url.set(drivername="sqlite+aiosqlite")


def _prepare_file(path: Path) -> None:
    """Create the database file readable by its owner alone; WAL files inherit its mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _set_pragmas(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin
    cursor = connection.cursor()
    # The busy timeout first: switching to WAL already needs a lock.
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",  # what is erased is overwritten
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # A write transaction takes SQLite's write lock at once: upgraded from a read it could fail
    # with SQLITE_BUSY in the middle, which no timeout heals.
    is_write = connection.get_execution_options().get(_WRITE_OPTION)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _empty_wal(path: str) -> None:
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
        is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise OSError(f"somebody read the database for more than {BUSY_TIMEOUT_MS / 1000:.0f} s")


class Database:
    """An engine with one writer at a time in this process (the file lock keeps out others)."""

    def __init__(self, url: URL) -> None:
        self._engine: AsyncEngine = create_async_engine(url, pool_pre_ping=False)
        event.listen(self._engine.sync_engine, "connect", _set_pragmas)
        event.listen(self._engine.sync_engine, "begin", _begin)
        self._writer = self._engine.execution_options(**{_WRITE_OPTION: True})
        self._turn = asyncio.Lock()

    @classmethod
    def at(cls, address: str | Path) -> "Database":
        url = parse_url(address)
        with translated("be opened"):
            _prepare_file(Path(str(url.database)))
        return cls(url)

    @asynccontextmanager
    async def reading(self, action: str) -> AsyncIterator[AsyncConnection]:
        """One consistent view. ``action`` completes “The ledger could not …”."""
        with translated(action):
            async with self._engine.connect() as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self, action: str) -> AsyncIterator[AsyncConnection]:
        """One transaction: all of it is on disk when the block ends, or none of it."""
        with translated(action):
            async with self._turn, self._writer.begin() as connection:
                yield connection

    async def scrub(self) -> None:
        """Empty the write-ahead log, in which earlier contents of erased rows still stand."""
        with translated("forget what was erased"):
            await asyncio.to_thread(_empty_wal, str(self._engine.url.database))

    async def close(self) -> None:
        await self._engine.dispose()
