"""Remembers routings for a while, so that a correction on any host can name one by its id.

Routing only puts an entry into a bounded waiting room. A thread of its own redacts and writes, in batches; while the
database is down, entries wait, and the oldest make room.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import RowMapping, delete, select

from model.decision import Labels
from model.errors import StoreError
from service.corrections.correction import storable
from service.corrections.database import PATIENT, Database
from service.corrections.redaction import redact
from service.corrections.schema import routings

_GATHER_SECONDS = 0.1  # how long a batch may grow before it is written
_RETRY_SECONDS = 1.0
_BATCH = 200
_PRUNE_EVERY = timedelta(hours=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A routing as a correction needs it.

    Attributes
    ----------
    id : str
        The routing's id.
    digest : str
        Digest of the original clean text.
    text : str
        The text; redacted once it is in the database.
    labels : Labels
        What the router decided.
    model_version : str or None
        Version of the model that was loaded.
    """

    id: str
    digest: str
    text: str
    labels: Labels
    model_version: str | None


class RoutingMemory:
    """The remembered routings of one database.

    Parameters
    ----------
    database : Database
        Where they are kept.
    clock : callable
        Returns the present, with time zone.
    retention : timedelta
        How long they are kept.
    capacity : int
        Most entries that wait for the database; beyond, the oldest is dropped.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], retention: timedelta, capacity: int = 5_000
    ) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention
        self._capacity = capacity
        self.after_fork()

    def after_fork(self) -> None:
        """Start anew: the writer and what waits for it stayed in the parent process."""
        self._waiting: dict[str, tuple[Remembered, datetime]] = {}
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._writer: threading.Thread | None = None
        self._pruned: datetime | None = None

    def add(self, item: Remembered) -> None:
        """Remember a routing soon; returns at once and never fails."""
        with self._changed:
            if self._closing.is_set():
                return
            if len(self._waiting) >= self._capacity:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[item.id] = item, self._clock()
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="corrections-writer", daemon=True)
                self._writer.start()
                atexit.register(self.close)
            self._changed.notify()

    def find(self, routing_id: str, patience: float) -> Remembered | None:
        """Return a routing, waiting up to `patience` seconds for the writer of another process.

        Raises
        ------
        StoreError
            When this process does not know the routing and the database is down.
        """
        end = time.monotonic() + patience
        while True:
            waiting = self._waiting.get(routing_id)
            if waiting:
                return waiting[0]
            with self._database.transaction(patience=PATIENT) as connection:
                row = connection.execute(select(routings).where(routings.c.id == routing_id)).mappings().first()
            if row:
                return _from_row(row)
            if time.monotonic() >= end:
                return None
            time.sleep(_GATHER_SECONDS)

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, unless the database is down, and stop."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        if self._writer:
            self._writer.join(patience)
        atexit.unregister(self.close)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            if len(self._waiting) < _BATCH:
                self._closing.wait(_GATHER_SECONDS)
            with self._changed:
                batch = list(islice(self._waiting.values(), _BATCH))
            if not batch:
                return
            try:
                self._write(batch)
            except StoreError as error:
                _log.warning("routings wait to be remembered: %s", error)
                if self._closing.wait(_RETRY_SECONDS):
                    return
                continue
            with self._changed:
                for item, _ in batch:
                    self._waiting.pop(item.id, None)

    def _write(self, batch: list[tuple[Remembered, datetime]]) -> None:
        rows = [_to_row(item, created_at) for item, created_at in batch]
        now = self._clock()
        prune = self._pruned is None or now - self._pruned >= _PRUNE_EVERY
        with self._database.transaction(writes=True, patience=PATIENT) as connection:
            connection.execute(self._database.insert_new(routings), rows)
            if prune:
                connection.execute(delete(routings).where(routings.c.created_at < now - self._retention))
        if prune:
            self._pruned = now


def _to_row(item: Remembered, created_at: datetime) -> dict[str, Any]:
    return {
        "id": item.id,
        "digest": item.digest,
        "text": redact(storable(item.text)),
        "severity": item.labels.severity,
        "owner": item.labels.owner,
        "queue": item.labels.queue,
        "issue_type": item.labels.issue_type,
        "model_version": item.model_version,
        "created_at": created_at,
    }


def _from_row(row: RowMapping) -> Remembered:
    labels = Labels(row["severity"], row["owner"], row["queue"], row["issue_type"])
    return Remembered(row["id"], row["digest"], row["text"], labels, row["model_version"])
