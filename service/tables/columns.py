"""Finds the columns that hold what the customer wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence

from model.errors import BatchError
from service.tables.records import Row, cell_text, well_formed

# Headers as helpdesks write them, in lower case, without "(Ticket)" and the like. Within a group the table must have
# only one of them: which of two summaries counts is for a person to say.
_SUBJECTS = frozenset(
    {"subject", "summary", "title", "ticket subject", "ticket title", "issue summary", "email subject"}
    | {"short description", "subject line", "headline"}
)
_BODIES = frozenset(
    {"description", "body", "message", "ticket description", "issue description", "text", "ticket text", "details"}
    | {"ticket body", "ticket details", "email body", "message body", "issue details", "problem description"}
    | {"first message", "complaint", "query"}
)
_NO_VALUE = frozenset({"-", "--"})  # what Zoho Desk writes into an empty cell
_SUFFIX = re.compile(r"\s*\((?:ticket|case|request)s?\)$")


def find_text_columns(header: Sequence[str], wanted: Sequence[str] = ()) -> tuple[int, ...]:
    """Return the positions of the text columns, subject before description.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    wanted : sequence of str
        Names that a person gave, in the order in which to join them; found by known names when empty.
        A name that stands several times means all of these columns.

    Raises
    ------
    BatchError
        When a wanted column is missing, none is known, or several could be meant; lists the columns.

    Examples
    --------
    >>> find_text_columns(["Id", "Summation column", "Description", "Subject"])
    (3, 2)
    """
    if wanted:
        return tuple(n for name in wanted for n in _named(header, name))
    names = [_normal(name) for name in header]
    found = [_only(header, [n for n, name in enumerate(names) if name in group]) for group in (_SUBJECTS, _BODIES)]
    columns = tuple(n for group in found for n in group)
    if not columns:
        raise BatchError(f"no column is known to hold the text; name it with --text COLUMN. Columns: {_listed(header)}")
    return columns


def find_column(header: Sequence[str], name: str) -> int:
    """Return the position of one named column, the first where it stands several times."""
    return _named(header, name)[0]


def ticket_text(row: Row, columns: Sequence[int]) -> str:
    """Return the text of a ticket: its text columns, one below the other, without empty ones."""
    texts = (cell_text(row.cells[n]).strip() for n in columns)
    return well_formed("\n".join(text for text in texts if text and text not in _NO_VALUE))


def _named(header: Sequence[str], name: str) -> list[int]:
    exact = [n for n, column in enumerate(header) if column == name]
    found = exact or [n for n, column in enumerate(header) if _normal(column) == _normal(name)]
    if not found:
        raise BatchError(f"there is no column {name!r}. Columns: {_listed(header)}")
    return found


def _only(header: Sequence[str], positions: list[int]) -> list[int]:
    if len({header[n] for n in positions}) > 1:
        names = " and ".join(repr(header[n]) for n in positions)
        raise BatchError(
            f"{names} could both hold the text; choose with --text COLUMN (repeatable). Columns: {_listed(header)}"
        )
    return positions


def _normal(name: str) -> str:
    return _SUFFIX.sub("", " ".join(name.replace("_", " ").replace("-", " ").casefold().split()))


def _listed(header: Sequence[str]) -> str:
    return ", ".join(name or "(no name)" for name in header)
