"""The corrections' database: connected on first use, brought up to date by itself, and never waited for without end."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from model.errors import StoreError
from service.corrections.schema import REVISION

_log = logging.getLogger(__name__)

QUICK, PATIENT, BULK = 1.0, 10.0, 60.0  # seconds to wait for an answer: routing, a person, a whole export

_POOL: dict[str, Any] = {"pool_size": 8, "max_overflow": 32, "pool_timeout": QUICK, "hide_parameters": True}
_ADVISORY_LOCK = 0x1550E_40  # any number, the same in every process


class Database:
    """A SQLite file or a PostgreSQL.

    Parameters
    ----------
    url : str
        `sqlite:///FILE`, `postgresql://...` or `postgresql+psycopg://...`. Nothing is connected before first use.

    Raises
    ------
    StoreError
        When the URL is no such URL.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self._file = Path(self._url.database) if self._url.drivername == "sqlite" and self._url.database else None
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._ready_file: tuple[int, int] | None = None
        self._ready = False

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True).partition("?")[0]

    @contextmanager
    def transaction(self, *, writes: bool = False, patience: float = QUICK) -> Iterator[Connection]:
        """Open a transaction, committed at the end of the block.

        Parameters
        ----------
        writes : bool, default False
            Whether the block writes; what it wrote is on the disk when the block has ended.
        patience : float, default 1
            Longest wait for any single answer of the database, in seconds.

        Raises
        ------
        StoreError
            When the database is down, hangs, is locked or newer than the code.
        """
        try:
            engine = self._prepared(patience)
            with engine.connect() as idle, _patient(idle, patience):
                connection = idle.execution_options(issue_router_writes=writes)
                with connection.begin():
                    if writes and engine.dialect.name == "postgresql":
                        connection.exec_driver_sql("SET LOCAL synchronous_commit TO on")
                    yield connection
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"the corrections' database {self}: {_reason(error)}") from error

    def insert_new(self, table: Table) -> Insert:
        """Return a statement that inserts the rows whose primary key is not there yet."""
        dialect: Any = sqlite if self._file else postgresql
        statement: Insert = dialect.insert(table).on_conflict_do_nothing()
        return statement

    def close(self) -> None:
        """Close every connection; the next use connects again."""
        with self._lock:
            self._forget(close=True)

    def after_fork(self) -> None:
        """Leave the connections to the parent process."""
        self._lock = threading.Lock()
        self._forget(close=False)

    def _forget(self, *, close: bool) -> None:
        if self._engine:
            self._engine.dispose(close=close)
        self._engine, self._ready, self._ready_file = None, False, None

    def _prepared(self, patience: float) -> Engine:
        """Return the engine of a database that is up to date."""
        if self._ready and self._engine and self._ready_file == self._identity():
            return self._engine
        if not self._lock.acquire(timeout=patience):
            raise StoreError(f"the corrections' database {self} is still being prepared")
        try:
            if self._ready and self._ready_file != self._identity():  # the file was removed or put back from a backup
                self._forget(close=True)
            if self._engine is None:
                self._engine = _connectable(self._url)
            if not self._ready:
                self._bring_up_to_date(self._engine)
                self._ready, self._ready_file = True, self._identity()
            return self._engine
        finally:
            self._lock.release()

    def _identity(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _bring_up_to_date(self, engine: Engine) -> None:
        """Take the missing migrations; one process at a time, all or none."""
        if self._file and not self._file.exists():
            _log.info("there is no database of corrections %s yet: making one", self._file)
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with engine.connect() as connection:
            if _is_newest(connection):
                return
        # Alembic is slow to import, and only the first process after an update needs it.
        from service.corrections.migrating import bring_up_to_date  # noqa: PLC0415

        lock = FileLock(f"{self._file}.lock", timeout=BULK) if self._file else nullcontext()
        with lock, engine.connect() as connection:
            if self._file:  # must not happen in a transaction, nor in two processes at once
                connection.connection.execute("PRAGMA journal_mode = WAL")
            with _patient(connection, BULK), connection.execution_options(issue_router_writes=True).begin():
                if not self._file:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
                bring_up_to_date(connection)


def _is_newest(connection: Connection) -> bool:
    if not inspect(connection).has_table("alembic_version"):
        return False
    return list(connection.scalars(text("SELECT version_num FROM alembic_version"))) == [REVISION]


def _parse(url: str) -> URL:
    try:
        parsed = make_url(re.sub(r"^postgres(?:ql)?://", "postgresql+psycopg://", url))
    except ArgumentError:
        parsed = None
    is_file = parsed is not None and parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:")
    if parsed is None or not (is_file or parsed.drivername == "postgresql+psycopg"):
        raise StoreError("the corrections' URL is neither sqlite:///FILE nor postgresql://USER:PASSWORD@HOST/DATABASE")
    return parsed


def _connectable(url: URL) -> Engine:
    if url.drivername == "sqlite":
        engine = create_engine(url, **_POOL)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        # an optional dependency: who keeps corrections in a file need not have it
        from service.corrections.postgres import connect  # noqa: PLC0415

        engine = create_engine(url, pool_pre_ping=True, **_POOL)
    except ModuleNotFoundError as error:
        raise StoreError("corrections in PostgreSQL need psycopg: pip install 'issue-router[postgres]'") from error
    event.listen(engine, "do_connect", lambda _dialect, _record, args, kwargs: connect(*args, **kwargs))
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a reader that turns into a writer is refused without waiting.
    writes = connection.get_execution_options().get("issue_router_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _patient(connection: Connection, seconds: float) -> Iterator[None]:
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        driver.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        yield
        return
    driver.patience = seconds
    try:
        yield
    finally:
        driver.patience = QUICK


def _reason(error: Exception) -> str:
    """Return the first line of an error: what follows may repeat data."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
