"""Labelled examples: read, validated against the matrix, and completed by what the matrix already says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from model.errors import ExamplesError
from model.matrix import Matrix

REQUIRED = ("text", "severity", "owner", "queue")
COLUMNS = ("text", "issue_type", "severity", "owner", "queue", "language", "group", "impact")


def read_examples(path: Path, matrix: Matrix) -> pd.DataFrame:
    """Read a CSV of labelled texts.

    Parameters
    ----------
    path : Path
        CSV in UTF-8 with at least the columns `text, severity, owner, queue`; `issue_type`, `impact`, `language` and
        `group` are taken where they are there.
    matrix : Matrix
        The matrix whose labels the examples carry.

    Returns
    -------
    pandas.DataFrame
        One row a text, with every column of `COLUMNS`; missing cells are empty strings.

    Raises
    ------
    ExamplesError
        When the file cannot be read, a column is missing or a label is unknown; the message names the line.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise ExamplesError(f"{path}: the examples cannot be read: {error.strerror or error}") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise ExamplesError(f"{path}: not a CSV in UTF-8: {error}") from error
    try:
        return check_examples(frame, matrix)
    except ExamplesError as error:
        raise ExamplesError(f"{path}: {error}") from error


def check_examples(frame: pd.DataFrame, matrix: Matrix) -> pd.DataFrame:
    """Validate labelled texts and add the columns that are missing.

    Parameters
    ----------
    frame : pandas.DataFrame
        At least the columns of `REQUIRED`.
    matrix : Matrix
        The matrix whose labels the examples carry.

    Returns
    -------
    pandas.DataFrame
        A copy with every column of `COLUMNS` first. A missing issue type stays empty; a missing impact is the first
        impact of the matrix that gives the severity, or empty where none does.

    Raises
    ------
    ExamplesError
        When a column is missing or a label is not the matrix's.
    """
    if missing := [column for column in REQUIRED if column not in frame.columns]:
        raise ExamplesError(f"column {', '.join(missing)} is missing; there are {', '.join(map(str, frame.columns))}")
    if frame.empty:
        raise ExamplesError("there are no examples")
    frame = frame.copy()
    for column in COLUMNS:
        frame[column] = frame[column].fillna("").astype(str) if column in frame.columns else ""
    known = {
        **matrix.labels,
        "issue_type": ("", *matrix.issue_type_ids),
        "impact": ("", *(impact.id for impact in matrix.impacts)),
    }
    for column, labels in known.items():
        for line, value in enumerate(frame[column], start=2):
            if value not in labels:
                known_labels = ", ".join(filter(None, labels))
                raise ExamplesError(f"line {line}, column {column}: {value!r} is not one of {known_labels}")
    _check_pairs(frame, matrix)
    blank = (frame["impact"] == "") & (frame["issue_type"] != "")
    frame.loc[blank, "impact"] = [
        matrix.impact_for(issue_type, severity) or ""
        for issue_type, severity in zip(frame.loc[blank, "issue_type"], frame.loc[blank, "severity"], strict=True)
    ]
    return frame[[*COLUMNS, *(c for c in frame.columns if c not in COLUMNS)]]


def _check_pairs(frame: pd.DataFrame, matrix: Matrix) -> None:
    """Refuse labels that contradict each other by the matrix."""
    allowed = {(t, p.owner, p.queue) for t in matrix.issue_type_ids for p in matrix.owner_queues(t)}
    rows = frame[["issue_type", "owner", "queue", "impact"]].itertuples(index=False, name=None)
    for line, (issue_type, owner, queue, impact) in enumerate(rows, start=2):
        if issue_type and (issue_type, owner, queue) not in allowed:
            raise ExamplesError(f"line {line}: {issue_type!r} never has owner {owner!r} and queue {queue!r}")
        if issue_type and impact and not matrix.impact(impact).applies_to(issue_type):
            raise ExamplesError(f"line {line}, column impact: {impact!r} does not go with {issue_type!r}")


def digest(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of the labelled texts, in whatever order they stand."""
    rows = sorted(frame[list(COLUMNS)].itertuples(index=False, name=None))
    return hashlib.sha256(repr(rows).encode("utf-8", "backslashreplace")).hexdigest()
