"""What a batch run says of itself at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.compare import Comparison, Confusion
from service.tables.labels import RowLabels
from service.tables.records import Rejected, Row

_MAX_REPORTED = 20  # malformed records that are reported one by one


@dataclass(frozen=True, slots=True)
class Problem:
    """A malformed record: where it begins and what is wrong."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    rows : int
        Labelled rows.
    resumed : int
        How many of them an earlier, killed run had labelled.
    severity, owner, queue : mapping of str to int
        Rows by label.
    decided_by : mapping of str to int
        Rows by who decided.
    review : int
        Rows that a person must look at.
    rejected : int
        Malformed records.
    problems : tuple of Problem
        The first malformed records.
    cut_rows : int
        Rows with a text longer than XLSX holds.
    text_columns : tuple of str
        Columns that were read as text.
    added_columns : tuple of str
        Names of the added columns.
    confusions : tuple of Confusion
        How the labels differ from the desk's.
    target, rejected_file, report_file : Path or None
        What was written; `None` where nothing was.
    seconds : float
        How long it took.
    """

    rows: int
    resumed: int
    severity: Mapping[str, int]
    owner: Mapping[str, int]
    queue: Mapping[str, int]
    decided_by: Mapping[str, int]
    review: int
    rejected: int
    problems: tuple[Problem, ...]
    cut_rows: int
    text_columns: tuple[str, ...]
    added_columns: tuple[str, ...]
    confusions: tuple[Confusion, ...]
    target: Path | None
    rejected_file: Path | None
    report_file: Path | None
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows that this run labelled, by the second."""
        return (self.rows - self.resumed) / self.seconds if self.seconds else 0.0


COUNTED = ("severity", "owner", "queue", "decided_by")


class Tally:
    """Counts while a run goes on.

    Parameters
    ----------
    comparisons : sequence of Comparison
        What to compare besides.
    """

    def __init__(self, comparisons: Sequence[Comparison] = ()) -> None:
        self.rows = self.review = self.rejected = 0
        self.labels: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self.problems: list[Problem] = []
        self.comparisons = comparisons

    def add(self, rows: Sequence[Row], labels: Sequence[RowLabels], rejected: Sequence[Rejected]) -> None:
        """Count a chunk."""
        self.rows += len(rows)
        self.review += sum(label.needs_review for label in labels)
        self.rejected += len(rejected)
        for name, counter in self.labels.items():
            field = RowLabels._fields.index(name)
            counter.update(str(label[field]) for label in labels)
        room = _MAX_REPORTED - len(self.problems)
        self.problems += [Problem(record.number, record.reason) for record in rejected[:room]]
        for comparison in self.comparisons:
            comparison.add(rows, labels)

    def state(self) -> dict[str, Any]:
        """Return what was counted, as JSON."""
        return {
            "rows": self.rows,
            "review": self.review,
            "rejected": self.rejected,
            "labels": {name: dict(counter) for name, counter in self.labels.items()},
            "problems": [[problem.number, problem.reason] for problem in self.problems],
            "comparisons": [comparison.state() for comparison in self.comparisons],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.rows, self.review, self.rejected = state["rows"], state["review"], state["rejected"]
        self.labels = {name: Counter(counts) for name, counts in state["labels"].items()}
        self.problems = [Problem(*problem) for problem in state["problems"]]
        for comparison, before in zip(self.comparisons, state["comparisons"], strict=True):
            comparison.restore(before)
