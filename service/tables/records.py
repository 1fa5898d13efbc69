"""What a table of tickets consists of, whatever its format: rows, and records that cannot be a row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from service.tables.labels import RowLabels

_SURROGATE = re.compile("[\ud800-\udfff]")


class NumberText(str):
    """A number as it was written, so that `1.10` stays `1.10`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket.

    Attributes
    ----------
    number : int
        Where it begins: the line of a text file, the row of a sheet, the line of an element of an array.
    cells : tuple
        One value for each column of the table.
    raw : str
        The record as it was written; empty for XLSX.
    """

    number: int
    cells: tuple[object, ...]
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is no row of the table: where it begins, what is wrong, and what was written there."""

    number: int
    reason: str
    raw: str


class Reader(Protocol):
    """A table that is read row by row, as often as needed."""

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns, repeated ones included."""

    def rows(self) -> Iterator[Row | Rejected]:
        """Read from the first row on."""

    def share_read(self) -> float | None:
        """Return the share of the file that was read, in 0..1, `None` when unknown."""


class Writer(Protocol):
    """A format that a labelled table is written in, as bytes that are appended to each other."""

    def begin(self) -> bytes:
        """Return what comes before the first row."""

    def rows(self, rows: list[Row], labels: list[RowLabels], *, first: bool) -> bytes:
        """Return rows with their labels; `first` when no row came before."""

    def end(self, *, empty: bool) -> bytes:
        """Return what comes after the last row; `empty` when there was none."""


def cell_text(cell: object) -> str:
    """Return the text of a cell: empty for `None`, JSON for what only JSON can hold."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | list | dict):
        return json_text(cell)
    return "" if cell is None else str(cell)


def json_text(value: object) -> str:
    """Return a cell as JSON; numbers that were read as text stay as they were written.

    Examples
    --------
    >>> json_text({"a": [NumberText("1.10"), None, "é"]})
    '{"a": [1.10, null, "é"]}'
    """
    if isinstance(value, NumberText):
        return value
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {json_text(v)}" for k, v in value.items()) + "}"
    if value is None or isinstance(value, str | bool | int | float):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(str(value), ensure_ascii=False)


def well_formed(text: str) -> str:
    """Return the text with a mark in place of bytes that could not be decoded."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
