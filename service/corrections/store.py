"""The store of corrections: what people said the labels should have been. Their latest word wins."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pandas as pd
from sqlalchemy import Connection, func, select

from model.decision import Labels
from model.errors import InputError, StoreError, UnknownRoutingError
from model.matrix import Matrix
from model.text import MAX_CHARACTERS, clean
from service.corrections.breaker import Breaker
from service.corrections.correction import (
    Correction,
    NewCorrection,
    Snapshot,
    checked_note,
    checked_who,
    new_id,
    storable,
)
from service.corrections.database import BULK, PATIENT, QUICK, Database
from service.corrections.files import read_corrections, write_corrections
from service.corrections.labelling import complete
from service.corrections.redaction import for_training, redact
from service.corrections.remembering import Remembered, RoutingMemory
from service.corrections.schema import corrections

RETENTION = timedelta(days=30)
_OTHER_WRITER_SECONDS = 2.0  # how long another process may take to write a routing that it answered
_CHUNK = 500
_TICK = timedelta(microseconds=1)
_NOTHING_LEFT = clean("").digest
_BY_TIME = (corrections.c.created_at, corrections.c.id)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a correction is about."""

    digest: str
    text: str
    labels: Labels | None
    model_version: str | None


class CorrectionStore:
    """Corrections in a SQLite file or a PostgreSQL.

    Nothing is connected before first use; the database is then made or brought up to date. One store serves every
    thread of a process.

    Parameters
    ----------
    url : str
        `sqlite:///FILE`, `postgresql://...` or `postgresql+psycopg://...`.
    clock : callable, optional
        Returns the present, with time zone.
    retention : timedelta, default 30 days
        How long a routing can be corrected by its id.

    Raises
    ------
    StoreError
        When the URL is none of these; by every method when the database is down, hangs or is newer than the code.
    """

    def __init__(self, url: str, clock: Callable[[], datetime] = _now, retention: timedelta = RETENTION) -> None:
        self._clock = clock
        self._database = Database(url)
        self._memory = RoutingMemory(self._database, clock, retention)
        self._breaker = Breaker(self._probe)
        myself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(myself()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write the routings that wait, and close every connection."""
        self._memory.close()
        self._breaker.close()
        self._database.close()

    # --- Routing ---

    def find(self, digests: Sequence[str]) -> dict[str, Labels]:
        """Return the labels that people gave last, by digest of the clean text.

        A database that is down is asked only once: from then on, every call is refused at once until it is back.

        Parameters
        ----------
        digests : sequence of str
            `CleanText.digest` of the texts to route.

        Raises
        ------
        StoreError
            When the database is down; within about two seconds, and most times at once.
        """
        self._breaker.check()
        found: dict[str, Labels] = {}
        try:
            with self._database.transaction(patience=QUICK) as connection:
                for some in _chunks(set(digests), _CHUNK):
                    found.update(_latest_labels(connection, some))
        except StoreError as error:
            self._breaker.trip(error)
            raise
        return found

    def snapshot(self) -> Snapshot:
        """Return everything that `find` can find, once and for all."""
        with self._database.transaction(patience=BULK) as connection:
            return Snapshot(_latest_labels(connection, None))

    def remember(self, routing_id: str, digest: str, text: str, labels: Labels, model_version: str | None) -> None:
        """Remember a routing, so that a correction can name it by its id on any host.

        Returns at once and never fails; the text is redacted before it is written. What cannot be written for long is
        dropped.
        """
        self._memory.add(Remembered(routing_id, digest, text[:MAX_CHARACTERS], labels, model_version))

    # --- What people say ---

    def record(self, correction: NewCorrection, matrix: Matrix) -> Correction:
        """Keep a correction; when this returns, it is on the disk and wins.

        Parameters
        ----------
        correction : NewCorrection
            What a person says.
        matrix : Matrix
            The matrix that the labels must agree with.

        Raises
        ------
        InputError
            When a field cannot be taken; names the field.
        UnknownRoutingError
            When no routing with the given id is remembered.
        StoreError
            When the correction is not kept.
        """
        who, note = checked_who(correction.who), checked_note(correction.note)
        subject = self._subject(correction)
        if subject.digest == _NOTHING_LEFT:
            raise InputError("text", "holds no words to recognise it by")
        labels, issue_type_known = complete(correction.labels, matrix, subject.labels)
        text = redact(storable(subject.text[:MAX_CHARACTERS]))
        with self._database.transaction(writes=True, patience=PATIENT) as connection:
            kept = Correction(
                id=new_id(),
                digest=subject.digest,
                text=text,
                labels=labels,
                issue_type_known=issue_type_known,
                who=who,
                note=note,
                created_at=self._after_the_last_word(connection, subject.digest),
                routing_id=correction.routing_id,
                model_version=subject.model_version,
                wrong=subject.labels,
            )
            connection.execute(corrections.insert(), kept.as_row())
        return kept

    def _subject(self, correction: NewCorrection) -> _Subject:
        if (correction.text is None) == (correction.routing_id is None):
            raise InputError("text", "give either the text or the routing_id")
        if correction.routing_id is None:
            text = correction.text or ""
            return _Subject(clean(text).digest, text, correction.wrong, correction.model_version)
        routing = self._memory.find(storable(correction.routing_id), _OTHER_WRITER_SECONDS)
        if routing is None:
            unknown = correction.routing_id[:100]
            raise UnknownRoutingError(f"no routing {unknown!r} is remembered; send the text instead")
        return _Subject(routing.digest, routing.text, routing.labels, routing.model_version)

    def _after_the_last_word(self, connection: Connection, digest: str) -> datetime:
        """Return the present, or just after the last word where another host's clock is ahead."""
        last = connection.scalar(select(func.max(corrections.c.created_at)).where(corrections.c.digest == digest))
        now = self._clock().astimezone(UTC)
        return now if last is None or last < now else last + _TICK

    # --- Reading ---

    def history(self, digest: str) -> list[Correction]:
        """Return every correction of a text, the oldest first."""
        statement = select(corrections).where(corrections.c.digest == digest).order_by(*_BY_TIME)
        with self._database.transaction(patience=PATIENT) as connection:
            return [Correction.from_row(row) for row in connection.execute(statement).mappings()]

    def latest(self, limit: int) -> list[Correction]:
        """Return the newest corrections, the newest first."""
        statement = select(corrections).order_by(*(column.desc() for column in _BY_TIME)).limit(limit)
        with self._database.transaction(patience=PATIENT) as connection:
            return [Correction.from_row(row) for row in connection.execute(statement).mappings()]

    def count(self) -> int:
        """Return how many corrections there are, superseded ones included."""
        with self._database.transaction(patience=PATIENT) as connection:
            return connection.scalar(select(func.count()).select_from(corrections)) or 0

    def ping(self) -> None:
        """Raise `StoreError` when the database cannot be used."""
        self._breaker.check()
        try:
            self._probe()
        except StoreError as error:
            self._breaker.trip(error)
            raise

    def examples(self) -> pd.DataFrame:
        """Return the latest word about every text, as examples to learn from.

        Returns
        -------
        pandas.DataFrame
            Columns `text, issue_type, severity, owner, queue, language, group, created_at`, the oldest word first;
            `issue_type` is empty where nobody named it.
        """
        with self._database.transaction(patience=BULK) as connection:
            latest = {correction.digest: correction for correction in _history(connection)}
        words = sorted(latest.values(), key=lambda c: (c.created_at, c.id))
        frame = pd.DataFrame(
            {
                "text": [for_training(c.text) for c in words],
                "issue_type": [c.labels.issue_type if c.issue_type_known else "" for c in words],
                "severity": [c.labels.severity for c in words],
                "owner": [c.labels.owner for c in words],
                "queue": [c.labels.queue for c in words],
                "language": "",
                "group": "corrections",
            },
            dtype=str,
        )
        return frame.assign(created_at=pd.to_datetime([c.created_at for c in words], utc=True))

    # --- Files ---

    def export(self, target: Path) -> int:
        """Write the whole history to a `.csv` or `.jsonl` file, the oldest first.

        Returns
        -------
        int
            How many corrections were written.

        Raises
        ------
        InputError
            When the file cannot be written or ends otherwise; a file that was there before is then left as it was.
        """
        with self._database.transaction(patience=BULK) as connection, closing(_history(connection)) as history:
            return write_corrections(target, history)

    def import_(self, source: Path, matrix: Matrix) -> int:
        """Add the corrections of a file that `export` wrote; all or none.

        Returns
        -------
        int
            How many were new; those that are there already are left alone.

        Raises
        ------
        InputError
            When a line cannot be taken; names line and field.
        """
        added = 0
        with self._database.transaction(writes=True, patience=BULK) as connection:
            for some in _chunks(read_corrections(source, matrix), _CHUNK):
                ids = select(corrections.c.id).where(corrections.c.id.in_([c.id for c in some]))
                known = set(connection.scalars(ids))
                fresh = {c.id: c.as_row() for c in some if c.id not in known}
                if fresh:
                    connection.execute(self._database.insert_new(corrections), list(fresh.values()))
                added += len(fresh)
        return added

    # --- Threads and processes ---

    def _probe(self) -> None:
        with self._database.transaction(patience=QUICK) as connection:
            connection.execute(select(corrections.c.id).limit(1))

    def _after_fork(self) -> None:
        self._database.after_fork()
        self._memory.after_fork()
        self._breaker.after_fork()


def _after_fork(store: CorrectionStore | None) -> None:
    if store is not None:
        store._after_fork()


def _history(connection: Connection) -> Generator[Correction, None, None]:
    statement = select(corrections).order_by(*_BY_TIME).execution_options(yield_per=_CHUNK)
    with connection.execute(statement) as result:
        yield from map(Correction.from_row, result.mappings())


def _latest_labels(connection: Connection, digests: Sequence[str] | None) -> dict[str, Labels]:
    columns = corrections.c
    statement = select(columns.digest, columns.severity, columns.owner, columns.queue, columns.issue_type)
    if digests is not None:
        statement = statement.where(columns.digest.in_(digests))
    rows = connection.execute(statement.order_by(*_BY_TIME))  # later rows replace earlier ones
    return {digest: Labels(severity, owner, queue, issue_type) for digest, severity, owner, queue, issue_type in rows}


Item = TypeVar("Item")


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
