"""The labels that a person named, completed by what the matrix and the corrected decision already say."""

from __future__ import annotations

from dataclasses import dataclass

from model.decision import Labels
from model.errors import InputError
from model.matrix import Matrix


@dataclass(frozen=True, slots=True)
class NamedLabels:
    """The labels that a person named; `None` where none was."""

    severity: str | None = None
    owner: str | None = None
    queue: str | None = None
    issue_type: str | None = None


def complete(named: NamedLabels, matrix: Matrix, before: Labels | None = None) -> tuple[Labels, bool]:
    """Complete the labels of a correction.

    Parameters
    ----------
    named : NamedLabels
        What the person named; it always holds.
    matrix : Matrix
        What labels there are, and which go together.
    before : Labels, optional
        The labels that were corrected. Where the issue type stays they are kept, as far as they go with what was named.

    Returns
    -------
    labels : Labels
        All four labels; the undocumented issue type where none was named or could be kept.
    issue_type_known : bool
        Whether the issue type was named or kept, so that a model can learn from it.

    Raises
    ------
    InputError
        When a label is unknown, missing or contradicts another; names the field.
    """
    _check_known(named, matrix)
    undocumented = matrix.undocumented.id
    if before and not (before.severity in matrix.severity_ids and before.issue_type in matrix.issue_type_ids):
        before = None  # decided by another matrix than today's
    if named.issue_type:
        issue_types = [named.issue_type]
    elif before:
        issue_types = [before.issue_type, undocumented]
    else:
        for field in ("severity", "owner", "queue"):
            if getattr(named, field) is None:
                raise InputError(field, "is missing; give the issue type, or severity, owner and queue")
        issue_types = [undocumented]
    owner, queue, issue_type = _placed(named, matrix, issue_types, before)
    keeps_severity = before and (named.issue_type in (None, before.issue_type, undocumented))
    row_severity = before.severity if before and keeps_severity else matrix.row_severity(issue_type)
    labels = Labels(named.severity or row_severity, owner, queue, issue_type)
    return labels, bool(named.issue_type or (before and issue_type == before.issue_type))


def check(labels: Labels, matrix: Matrix) -> None:
    """Raise `InputError` when labels are not the matrix's or contradict each other."""
    complete(NamedLabels(labels.severity, labels.owner, labels.queue, labels.issue_type), matrix)


def _check_known(named: NamedLabels, matrix: Matrix) -> None:
    for field, values in matrix.labels.items():
        value = getattr(named, field)
        if value is not None and value not in values:
            raise InputError(field, f"{value[:100]!r} is not one of {', '.join(values)}")


def _placed(named: NamedLabels, matrix: Matrix, issue_types: list[str], before: Labels | None) -> tuple[str, str, str]:
    """Return the owner, queue and issue type that go with what was named and keep most of what was there."""
    fitting = [
        (pair.owner, pair.queue, issue_type)
        for issue_type in issue_types
        for pair in matrix.owner_queues(issue_type)
        if named.owner in (None, pair.owner) and named.queue in (None, pair.queue)
    ]
    if not fitting:
        field = "owner" if named.queue is None else "queue"
        said = " and ".join(repr(value) for value in (named.owner, named.queue) if value)
        raise InputError(field, f"the matrix has no issue {named.issue_type or ''} with {said}".replace("  ", " "))
    if before is None:
        return fitting[0]
    return max(fitting, key=lambda f: (f[2] == before.issue_type, f[1] == before.queue, f[0] == before.owner))
