"""A correction: what a person says the labels of a text should have been."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from model.decision import Labels
from model.errors import InputError
from service.corrections.labelling import NamedLabels
from service.corrections.redaction import redact

UNKNOWN_PERSON = "unknown"
MAX_WHO, MAX_NOTE = 100, 2_000


@dataclass(frozen=True, slots=True)
class NewCorrection:
    """What a person says; either the text or the id of a routing says of what.

    Attributes
    ----------
    labels : NamedLabels
        The right labels, as many as the person named.
    text : str or None
        The text, as the customer wrote it; redacted before it is written.
    routing_id : str or None
        The routing that was wrong.
    who : str
        Who says so.
    note : str or None
        Why; redacted before it is written.
    model_version : str or None
        Which version was wrong; taken from the routing where an id is given.
    wrong : Labels or None
        The labels that were wrong; taken from the routing where an id is given.
    """

    labels: NamedLabels = field(default_factory=NamedLabels)
    text: str | None = None
    routing_id: str | None = None
    who: str = UNKNOWN_PERSON
    note: str | None = None
    model_version: str | None = None
    wrong: Labels | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction as it is kept.

    Attributes
    ----------
    id : str
        32 hexadecimal digits that sort by when they were drawn.
    digest : str
        By which the same text is recognised; that of the original text.
    text : str
        The text, redacted.
    labels : Labels
        The right labels, complete.
    issue_type_known : bool
        Whether the issue type is the person's or the decision's word, rather than "none that we know".
    who : str
        Who said so.
    note : str or None
        Why, redacted.
    created_at : datetime
        When, in UTC.
    routing_id, model_version : str or None
        The routing that was wrong, and the model's version.
    wrong : Labels or None
        The labels that were wrong.
    """

    id: str
    digest: str
    text: str
    labels: Labels
    issue_type_known: bool
    who: str
    note: str | None
    created_at: datetime
    routing_id: str | None
    model_version: str | None
    wrong: Labels | None

    def as_row(self) -> dict[str, Any]:
        """Return the fields under the names of the table's columns."""
        wrong = self.wrong
        return {
            "id": self.id,
            "digest": self.digest,
            "text": self.text,
            "severity": self.labels.severity,
            "owner": self.labels.owner,
            "queue": self.labels.queue,
            "issue_type": self.labels.issue_type,
            "issue_type_known": self.issue_type_known,
            "who": self.who,
            "note": self.note,
            "created_at": self.created_at,
            "routing_id": self.routing_id,
            "model_version": self.model_version,
            "wrong_severity": wrong and wrong.severity,
            "wrong_owner": wrong and wrong.owner,
            "wrong_queue": wrong and wrong.queue,
            "wrong_issue_type": wrong and wrong.issue_type,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any] | RowMapping) -> Correction:
        """Return the correction that `as_row` describes."""
        wrong = None
        if row["wrong_severity"] is not None:
            wrong = Labels(row["wrong_severity"], row["wrong_owner"], row["wrong_queue"], row["wrong_issue_type"])
        return cls(
            id=row["id"],
            digest=row["digest"],
            text=row["text"],
            labels=Labels(row["severity"], row["owner"], row["queue"], row["issue_type"]),
            issue_type_known=row["issue_type_known"],
            who=row["who"],
            note=row["note"],
            created_at=row["created_at"],
            routing_id=row["routing_id"],
            model_version=row["model_version"],
            wrong=wrong,
        )


class Snapshot(Mapping[str, Labels]):
    """People's latest words by digest, taken once: for a batch or a cluster that must not ask the store.

    Parameters
    ----------
    labels : mapping of str to Labels
        Labels by digest of the clean text.

    Examples
    --------
    >>> snapshot = Snapshot({"ab": Labels("P0", "Acme", "General", "other")})
    >>> snapshot.find(["ab", "cd"])
    {'ab': Labels(severity='P0', owner='Acme', queue='General', issue_type='other')}
    """

    __slots__ = ("_labels",)

    def __init__(self, labels: Mapping[str, Labels]) -> None:
        self._labels = dict(labels)

    def __getitem__(self, digest: str) -> Labels:
        return self._labels[digest]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def find(self, digests: Sequence[str]) -> dict[str, Labels]:
        """Return the labels of those texts that a person corrected."""
        return {digest: self._labels[digest] for digest in digests if digest in self._labels}


def new_id() -> str:
    """Return an id that sorts after those drawn before it and that no other host draws."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


def storable(text: str) -> str:
    """Return the text without what a database cannot keep: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def checked_who(who: str) -> str:
    """Return the name of a person on one line; `InputError` when it is too long."""
    who = " ".join(storable(who).split())
    if len(who) > MAX_WHO:
        raise InputError("who", f"is longer than {MAX_WHO} characters")
    return who or UNKNOWN_PERSON


def checked_note(note: str | None) -> str | None:
    """Return a note, redacted; `InputError` when it is too long."""
    note = storable(note or "")
    if len(note) > MAX_NOTE:
        raise InputError("note", f"is longer than {MAX_NOTE} characters")
    return redact(note) if note.strip() else None
