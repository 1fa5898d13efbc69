"""JSON arrays and JSON Lines of tickets.

An object is written back as it was read, with our keys before its closing brace, so that numbers, escapes and keys
stay as they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from model.errors import BatchError
from service.tables.labels import RowLabels
from service.tables.records import NumberText, Rejected, Row, json_text
from service.tables.sources import UTF8, Encoding, Source

_BLOCK = 1 << 18
_MAX_ELEMENT = 1 << 26  # characters
_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_BREAKS = re.compile(r"\s*[\r\n]\s*")
# Numbers stay text: neither precision nor spelling may change.
_decoder = json.JSONDecoder(parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)


class JsonReader:
    """A JSON array of objects, or JSON Lines; the columns are all keys of all objects.

    Parameters
    ----------
    source : Source

    Raises
    ------
    BatchError
        When an array is not valid JSON.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._share: Callable[[], float] = float
        with source.text() as (stream, _):
            start = stream.read(_BLOCK).lstrip()
        if source.format == "json" and not start:
            raise BatchError(f"{source.name}: the file is empty: not even an array without tickets")
        self.is_array = start.startswith("[")
        if not self.is_array and source.format == "json" and not _is_lines(start):
            remedy = "; take the array of tickets out of the object around it" if start.startswith("{") else ""
            raise BatchError(f"{source.name}: neither an array of objects nor JSON Lines{remedy}")
        keys: dict[str, None] = {}
        for value in self._values():
            if isinstance(value[1], dict):
                keys.update(dict.fromkeys(value[1]))
        self.header = tuple(keys)

    def share_read(self) -> float | None:
        """Return the share of the file that was read, in 0..1."""
        return self._share()

    def rows(self) -> Iterator[Row | Rejected]:
        """Read from the first object on."""
        header = self.header
        for number, value, raw in self._values():
            if isinstance(value, dict):
                yield Row(number, tuple(map(value.get, header)), raw)
            else:
                reason = str(value) if isinstance(value, _Malformed) else "not a JSON object"
                yield Rejected(number, reason, raw + "\n")

    def _values(self) -> Iterator[tuple[int, Any, str]]:
        with self._source.text() as (stream, share):
            self._share = share
            if self.is_array:
                yield from _Elements(stream, self._source.name)
            else:
                yield from _lines(stream)


class _Malformed(str):
    """What is wrong with a line."""

    __slots__ = ()


def _is_lines(start: str) -> bool:
    line = start.split("\n", 1)[0]
    return line.startswith("{") and (len(start) == _BLOCK or _parse(line.strip())[1] is None)


def _parse(text: str) -> tuple[Any, str | None]:
    try:
        return _decoder.decode(text), None
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at character {error.pos + 1}"
    except RecursionError:
        return None, "nested too deeply"


def _lines(stream: TextIO) -> Iterator[tuple[int, Any, str]]:
    for number, line in enumerate(stream, start=1):
        if raw := line.strip(" \t\r\n"):
            value, problem = _parse(raw)
            yield number, _Malformed(problem) if problem else value, raw


class _Elements:
    """The elements of an array with their lines and texts, read in blocks."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def __iter__(self) -> Iterator[tuple[int, Any, str]]:
        self._expect("[")
        if self._peek() == "]":
            self._expect("]")
        else:
            while True:
                self._peek()
                yield self._element()
                if self._peek() != ",":
                    break
                self._expect(",")
            self._expect("]")
        if self._peek():
            raise self._error("there is something behind the array")

    def _element(self) -> tuple[int, Any, str]:
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or self._ended:  # a number may go on in the next block
                    break
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - 16
                if not cut or self._ended or len(self._text) - self._at > _MAX_ELEMENT:
                    self._move(max(error.pos, self._at))
                    raise self._error(error.msg) from error
            except RecursionError as error:
                raise self._error("nested too deeply") from error
            self._fill()
        line, raw = self._line, self._text[self._at : end]
        self._move(end)
        return line, value, raw

    def _fill(self) -> None:
        # Twice as much as is there, so that a long element is not tried again for each block.
        block = self._stream.read(max(_BLOCK, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :] + block, 0
        self._ended = not block

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _peek(self) -> str:
        while True:
            space = _SPACE.match(self._text, self._at)
            self._move(space.end() if space else self._at)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._fill()

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._error(f"{mark!r} is missing")
        self._move(self._at + 1)

    def _error(self, problem: str) -> BatchError:
        return BatchError(f"{self._name}: not a whole JSON array: line {self._line}: {problem}")


class JsonWriter:
    """Rows and labels as a JSON array or as JSON Lines.

    Parameters
    ----------
    header, added : sequence of str
        Columns of the table, and names of the added ones.
    lines : bool
        Whether to write JSON Lines.
    encoding : Encoding
        How to write.
    keep_raw : bool
        Whether the rows were read from JSON, so that they are written as they were.
    """

    def __init__(
        self,
        header: Sequence[str],
        added: Sequence[str],
        *,
        lines: bool,
        encoding: Encoding = UTF8,
        keep_raw: bool = False,
    ) -> None:
        self._keys = [json.dumps(name, ensure_ascii=False) for name in distinct(header)]
        self._added = [json.dumps(name, ensure_ascii=False) for name in added]
        self._lines = lines
        self._encoding = encoding
        self._escape = not encoding.name.startswith("utf")
        self._keep_raw = keep_raw

    def begin(self) -> bytes:
        """Return byte order mark and the opening bracket of an array."""
        return self._encoding.bom + self._encoding.encode("" if self._lines else "[")

    def rows(self, rows: list[Row], labels: list[RowLabels], *, first: bool) -> bytes:
        """Return the objects with their labels."""
        objects = [self._object(row, label) for row, label in zip(rows, labels, strict=True)]
        if self._lines:
            return self._encoding.encode("".join(text + "\n" for text in objects))
        return self._encoding.encode("".join(",\n" + text for text in objects).removeprefix("," if first else ""))

    def end(self, *, empty: bool) -> bytes:
        """Return the closing bracket of an array."""
        return self._encoding.encode("" if self._lines else "]\n" if empty else "\n]\n")

    def _object(self, row: Row, labels: RowLabels) -> str:
        values = [_label_json(name, value, escape=self._escape) for name, value in labels._asdict().items()]
        ours = ", ".join(f"{key}: {value}" for key, value in zip(self._added, values, strict=True))
        if not self._keep_raw:
            cells = (f"{key}: {json_text(cell)}" for key, cell in zip(self._keys, row.cells, strict=True))
            return "{" + ", ".join([*cells, ours]) + "}"
        raw = _LINE_BREAKS.sub(" ", row.raw) if self._lines else row.raw
        before = raw[:-1].rstrip(" \t\r\n")
        space = raw[len(before) : -1]
        return before + (", " if before != "{" else "") + ours + space + "}"


def distinct(names: Sequence[str]) -> list[str]:
    """Number repeated names, because an object can hold a key only once.

    Examples
    --------
    >>> distinct(["Labels", "Labels"])
    ['Labels', 'Labels (2)']
    """
    found: dict[str, None] = {}
    for name in names:
        key, n = name, 1
        while key in found:
            n += 1
            key = f"{name} ({n})"
        found[key] = None
    return list(found)


def _label_json(name: str, value: str | bool, *, escape: bool) -> str:
    if name == "confidence":
        return str(value) or "null"
    if name == "model_version" and not value:
        return "null"
    return json.dumps(value, ensure_ascii=escape)
