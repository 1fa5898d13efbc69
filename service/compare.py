"""How the router's labels differ from those that the desk had given, as confusion tables."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.errors import BatchError
from model.matrix import Matrix
from service.tables.columns import find_column
from service.tables.labels import RowLabels, inert
from service.tables.records import Row, cell_text, well_formed

LABELS = ("severity", "owner", "queue", "issue_type")
# The names that helpdesks give to their priorities, most severe first.
_PRIORITIES = (
    {"urgent", "critical", "highest", "blocker", "emergency", "very high", "showstopper"},
    {"high", "major"},
    {"medium", "normal", "moderate"},
    {"low", "lowest", "minor", "trivial", "very low"},
)
_NUMBERING = re.compile(r"^\d+\s*[-.:)]\s*")
_MAX_UNMAPPED = 50  # distinct values that are kept: a column of ids has millions
_OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Confusion:
    """How one label of the router differs from one column of the desk.

    Attributes
    ----------
    column, label : str
        What is compared.
    pairs : Counter of (str, str)
        Rows by the desk's and the router's label.
    unmapped : Counter of str
        Rows by values of the desk that stand for no label.
    """

    column: str
    label: str
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)

    @property
    def agreement(self) -> float | None:
        """Share, in 0..1, of the mapped rows where both agree; `None` without any."""
        total = self.pairs.total()
        return sum(n for (desk, ours), n in self.pairs.items() if desk == ours) / total if total else None


class Comparison:
    """Counts how a label differs from a column.

    Parameters
    ----------
    request : str
        `COLUMN=LABEL`.
    header : sequence of str
        Names of the columns.
    matrix : Matrix
        What labels there are.

    Raises
    ------
    BatchError
        When there is no such column or label.
    """

    def __init__(self, request: str, header: Sequence[str], matrix: Matrix) -> None:
        column, _, label = request.rpartition("=")
        if label not in LABELS or not column:
            raise BatchError(f"--compare {request!r}: give COLUMN=LABEL, with LABEL one of {', '.join(LABELS)}")
        self._position = find_column(header, column)
        self._known = known_values(label, matrix)
        self.confusion = Confusion(header[self._position], label)

    def add(self, rows: Sequence[Row], labels: Sequence[RowLabels]) -> None:
        """Count rows with their labels."""
        confusion = self.confusion
        field_number = RowLabels._fields.index(confusion.label)
        for row, ours in zip(rows, labels, strict=True):
            value = well_formed(cell_text(row.cells[self._position])).strip()
            desk = map_value(value, self._known)
            if desk is not None:
                confusion.pairs[desk, str(ours[field_number])] += 1
            else:
                value = value[:80] or "(empty)"
                room = value in confusion.unmapped or len(confusion.unmapped) < _MAX_UNMAPPED
                confusion.unmapped[value if room else _OTHERS] += 1

    def state(self) -> dict[str, Any]:
        """Return what was counted, as JSON."""
        return {
            "pairs": [[*pair, n] for pair, n in self.confusion.pairs.items()],
            "unmapped": [[value, n] for value, n in self.confusion.unmapped.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.confusion.pairs.update({(desk, ours): n for desk, ours, n in state["pairs"]})
        self.confusion.unmapped.update(dict(state["unmapped"]))


def map_value(value: str, known: Mapping[str, str]) -> str | None:
    """Return the label that a value of the desk stands for, `None` when it is not known.

    Examples
    --------
    >>> known = {"p0": "P0", "urgent": "P0"}
    >>> [map_value(text, known) for text in ("URGENT", "1 - Urgent", "P0 (urgent)", "Pending")]
    ['P0', 'P0', 'P0', None]
    """
    normal = _normal(value)
    for candidate in (normal, _NUMBERING.sub("", normal)):
        if candidate in known:
            return known[candidate]
    found = {known[word] for word in re.findall(r"\w+", normal) if word in known}
    return found.pop() if len(found) == 1 else None


def report(confusions: Sequence[Confusion]) -> bytes:
    """Return all confusion tables as one CSV: a line for each pair of labels.

    A value of the desk that stands for no label has an empty `router`.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["label", "column", "desk", "router", "rows", "agrees"])
    for confusion in confusions:
        start = [confusion.label, inert(confusion.column)]
        for (desk, ours), n in sorted(confusion.pairs.items()):
            writer.writerow([*start, inert(desk), inert(ours), n, "true" if desk == ours else "false"])
        for value, n in confusion.unmapped.most_common():
            writer.writerow([*start, inert(value), "", n, ""])
    return text.getvalue().encode()


def known_values(label: str, matrix: Matrix) -> dict[str, str]:
    """Return what a desk may write, in lower case, with the label that it stands for."""
    if label == "owner":
        return {_normal(owner): owner for owner in matrix.owner_ids}
    if label == "queue":
        return {_normal(queue): queue for queue in matrix.queue_ids}
    if label == "issue_type":
        described = {_normal(row.description): row.id for row in matrix.issue_types}
        return described | {_normal(row): row for row in matrix.issue_type_ids}
    known: dict[str, str] = {}
    for severity in matrix.severities:
        name = _normal(severity.name)
        for group in _PRIORITIES:
            if name in group:
                known |= dict.fromkeys(group, severity.id)
    # What the matrix itself says wins over what helpdesks mean.
    known |= {_normal(severity.name): severity.id for severity in matrix.severities}
    return known | {_normal(severity.id): severity.id for severity in matrix.severities}


def _normal(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())
