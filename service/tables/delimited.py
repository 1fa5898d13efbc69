"""CSV and TSV as helpdesks and Excel write them.

The standard library splits records into cells; we remember the lines that a record was made of and write them back
untouched with our cells behind, so that quoting, line endings and undecodable bytes stay as they were.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from model.errors import BatchError
from service.tables.labels import RowLabels
from service.tables.records import Rejected, Row, cell_text
from service.tables.sources import UTF8, Encoding, Source

_MAX_RECORD = 1 << 24  # characters; a longer one is a quote that was never closed
_SAMPLE = 1 << 16
_DELIMITERS = (",", ";", "\t", "|")
_HINT = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel's own hint on the first line


class _RecordTooLongError(Exception):
    """A record has more characters than anybody writes."""


class _Lines:
    """Lines of a file that remembers those of the record being read, and takes them back."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._returned: deque[str] = deque()
        self._size = 0
        self.number = 1  # of the line where the record begins
        self.lines: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._stream)
        self.lines.append(line)
        self._size += len(line)
        if self._size > _MAX_RECORD:
            raise _RecordTooLongError
        return line

    def begin(self) -> None:
        """Begin the next record."""
        self.number += len(self.lines)
        self.lines, self._size = [], 0

    def keep_first(self) -> None:
        """Let the record be its first line alone; the others are read again."""
        self._returned.extendleft(reversed(self.lines[1:]))
        del self.lines[1:]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited file is written.

    Attributes
    ----------
    delimiter : str
        One character.
    ending : str
        Line ending of the header.
    preamble : str
        Excel's line `sep=;`, if there is one.
    raw_header : str
        The header as it was written.
    """

    delimiter: str
    ending: str = "\n"
    preamble: str = ""
    raw_header: str = ""


class DelimitedReader:
    """A CSV or TSV file.

    Parameters
    ----------
    source : Source
    delimiter : str, optional
        One character; found out by default.

    Raises
    ------
    BatchError
        When the file is empty or its header cannot be read.
    """

    def __init__(self, source: Source, delimiter: str | None = None) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), 2 * _MAX_RECORD))  # there is one limit for the process
        self._source = source
        self._share: Callable[[], float] = float
        with source.text() as (stream, _):
            sample = stream.read(_SAMPLE)
        if not sample.strip():
            raise BatchError(f"{source.name}: the file is empty: it has no header")
        hint = _HINT.match(sample)
        delimiter = delimiter or (hint[1] if hint else _find_delimiter(sample))
        with source.text() as (stream, _):
            lines = _Lines(stream)
            if hint:
                next(lines)
                lines.begin()
            self.header, raw = _read_header(lines, delimiter, source.name)
        ending = raw[len(raw.rstrip("\r\n")) :] or "\n"
        self.dialect = Dialect(delimiter, ending, hint[0] if hint else "", raw.rstrip("\r\n"))

    def share_read(self) -> float | None:
        """Return the share of the file that was read, in 0..1."""
        return self._share()

    def rows(self) -> Iterator[Row | Rejected]:
        """Read from the first row on; a blank line is no record."""
        width = len(self.header)
        with self._source.text() as (stream, share):
            self._share = share
            lines = _Lines(stream)
            records = csv.reader(lines, delimiter=self.dialect.delimiter, strict=True)
            skip = 2 if self.dialect.preamble else 1
            while True:
                lines.begin()
                try:
                    cells = next(records)
                except StopIteration:
                    return
                except (csv.Error, _RecordTooLongError) as error:
                    yield self._mend(lines, error)
                    continue
                if skip:
                    skip -= 1
                elif len(cells) == width:
                    yield Row(lines.number, tuple(cells), "".join(lines.lines))
                elif cells:
                    reason = f"{len(cells)} cells where the header has {width}"
                    yield Rejected(lines.number, reason, "".join(lines.lines))

    def _mend(self, lines: _Lines, error: Exception) -> Row | Rejected:
        """Give up only the line where a stray quote stands, so that the lines which it swallowed are read."""
        if isinstance(error, _RecordTooLongError):
            error = csv.Error(f"a quote is not closed within {_MAX_RECORD:,} characters")
        lines.keep_first()
        line, number = lines.lines[0], lines.number
        body, mark = line.rstrip("\r\n"), "end"
        delimiter = self.dialect.delimiter
        # A quote within a cell is no harm where a cell that we add behind is read as a cell.
        cells = next(csv.reader([body + delimiter + mark], delimiter=delimiter))
        if len(cells) == len(self.header) + 1 and cells[-1] == mark:
            return Row(number, tuple(cells[:-1]), line)
        return Rejected(number, f"a stray quote: {error}", line)


def _read_header(lines: _Lines, delimiter: str, name: str) -> tuple[tuple[str, ...], str]:
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(records)
    except (csv.Error, StopIteration, _RecordTooLongError) as error:
        raise BatchError(f"{name}: the header in line 1 cannot be read: {error}") from error
    if not any(cell.strip() for cell in header):
        raise BatchError(f"{name}: the first line must be the header with the names of the columns, but it is blank")
    return tuple(header), "".join(lines.lines)


def _find_delimiter(sample: str) -> str:
    lines = sample.splitlines(keepends=True)
    if len(sample) == _SAMPLE:
        del lines[-1]  # may be cut
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
        if widths and widths[0] > 1:
            score = (widths[0] - 1) * widths.count(widths[0]) / len(widths)
            if score > best_score:
                best, best_score = delimiter, score
    return best


class DelimitedWriter:
    """Rows and labels as CSV or TSV.

    Parameters
    ----------
    header : sequence of str
        Columns of the table.
    added : sequence of str
        Names of the added columns.
    dialect : Dialect
        How to write.
    encoding : Encoding
        UTF-8 takes its place where it has no letters for `added` or `labels`.
    keep_raw : bool
        Whether the rows were read in this dialect, so that they are written as they were.
    labels : iterable of str
        Texts that labels can have.
    """

    def __init__(
        self,
        header: Sequence[str],
        added: Sequence[str],
        dialect: Dialect,
        encoding: Encoding,
        *,
        keep_raw: bool,
        labels: Sequence[str] = (),
    ) -> None:
        self._dialect = dialect
        self._keep_raw = keep_raw
        self._line = ""
        self._writer = csv.writer(_Sink(self), delimiter=dialect.delimiter, lineterminator="\r\n")
        self.encoding = encoding if _can_write(encoding, [*added, *labels]) else UTF8
        start = dialect.raw_header if keep_raw else self._format(header)
        self._begin = dialect.preamble * keep_raw + start + dialect.delimiter + self._format(added) + dialect.ending

    def begin(self) -> bytes:
        """Return byte order mark and header."""
        return self.encoding.bom + self.encoding.encode(self._begin)

    def rows(self, rows: list[Row], labels: list[RowLabels], *, first: bool) -> bytes:
        """Return the rows with their labels."""
        ours: dict[RowLabels, str] = {}
        pieces: list[str] = []
        for row, label in zip(rows, labels, strict=True):
            if label not in ours:
                ours[label] = self._dialect.delimiter + self._format(label.cells())
            body, ending = self._body(row)
            pieces += body, ours[label], ending
        return self.encoding.encode("".join(pieces))

    def _body(self, row: Row) -> tuple[str, str]:
        if not self._keep_raw:
            return self._format([cell_text(cell) for cell in row.cells]), self._dialect.ending
        body = row.raw.rstrip("\r\n")
        return body, row.raw[len(body) :]

    def _format(self, cells: Sequence[str]) -> str:
        self._writer.writerow(cells)
        return self._line

    def end(self, *, empty: bool) -> bytes:
        """Return nothing: a delimited file has no end mark."""
        return b""


class _Sink:
    """Where the standard library writes one line; the ending makes it quote every line break in a cell."""

    def __init__(self, owner: DelimitedWriter) -> None:
        self._owner = owner

    def write(self, line: str) -> None:
        self._owner._line = line.removesuffix("\r\n")


def _can_write(encoding: Encoding, texts: Sequence[str]) -> bool:
    try:
        "".join(texts).encode(encoding.name)
    except UnicodeEncodeError:
        return False
    return True
