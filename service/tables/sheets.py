"""XLSX workbooks: one sheet of tickets, read and written row by row."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils.exceptions import InvalidFileException

from model.errors import BatchError
from service.tables.labels import RowLabels
from service.tables.records import NumberText, Reader, Rejected, Row, cell_text, well_formed
from service.tables.sheet_strings import Book
from service.tables.sources import Source

MAX_ROWS, MAX_COLUMNS, MAX_CHARACTERS = 1_048_576, 16_384, 32_767  # limits of the format
# XML cannot hold these and turns a carriage return into a line feed; the format's own way out is _xHHHH_
# (ECMA-376 part 1, 22.9.2.19, ST_Xstring), which must itself be escaped where it stands in a text.
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


class SheetReader:
    """One sheet of a workbook.

    Parameters
    ----------
    source : Source
    sheet : str, optional
        Name of the sheet; the first one by default.

    Raises
    ------
    BatchError
        When the workbook cannot be read, has no such sheet, or the sheet has no header.
    """

    def __init__(self, source: Source, sheet: str | None = None) -> None:
        self._source = source
        self._wanted = sheet
        self._rows_read = self._row_count = 0
        width = 0
        header: tuple[object, ...] = ()
        with self._open(values=True) as table:
            self.other_sheets = len(table.parent.sheetnames) - 1
            for number, cells in enumerate(table.iter_rows(values_only=True), start=1):
                used = _width(cells)
                if not header and used:
                    header, self._header_row = cells[:used], number
                if used:
                    width, self._row_count = max(width, used), number
        if not header:
            raise BatchError(f"{source.name}: the sheet is empty: it has no header")
        names = [cell_text(_unescape(cell)) for cell in header]
        self.header = (*names, *[""] * (width - len(names)))

    def share_read(self) -> float | None:
        """Return the share of the rows that was read, in 0..1."""
        return min(self._rows_read / max(self._row_count, 1), 1.0)

    def rows(self) -> Iterator[Row | Rejected]:
        """Read the values from the row below the header to the last one that is not blank."""
        width, first = len(self.header), self._header_row + 1
        with self._open(values=True) as table:
            rows = table.iter_rows(min_row=first, max_row=self._row_count, values_only=True)
            for number, cells in enumerate(rows, start=first):
                self._rows_read = number
                used = _width(cells)
                values = [_unescape(cell) for cell in cells[:used]]
                yield Row(number, (*values, *[None] * (width - used)))

    def native_rows(self) -> Iterator[list[Any]]:
        """Read cells with formulas and formats: the header, then the same rows as `rows`."""
        width = len(self.header)
        with self._open(values=False) as table:
            for cells in table.iter_rows(min_row=self._header_row, max_row=self._row_count):
                used = _width([cell.value for cell in cells])
                yield [*cells[:used], *[None] * (width - used)]

    @contextmanager
    def _open(self, *, values: bool) -> Iterator[Any]:
        name = self._source.name
        with warnings.catch_warnings():  # of features of Excel that have no bearing on values
            warnings.simplefilter("ignore")
            try:
                book = Book(self._source.path, values=values)
            except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
                raise BatchError(f"{name}: the workbook cannot be read: {error}") from error
            try:
                sheet = _find_sheet(book.book, self._wanted, name)
                sheet.reset_dimensions()  # exporters often write wrong ones
                yield sheet
            except (zipfile.BadZipFile, SyntaxError, EOFError) as error:
                raise BatchError(f"{name}: the workbook is broken: {error}") from error
            finally:
                book.close()


def _find_sheet(book: Any, wanted: str | None, name: str) -> Any:
    names = [sheet.title for sheet in book.worksheets]
    if not names or (wanted is not None and wanted not in names):
        raise BatchError(f"{name}: no sheet {wanted!r}; there are {', '.join(names) or 'none'}")
    return book[names[0] if wanted is None else wanted]


def _width(cells: Sequence[object]) -> int:
    used = len(cells)
    while used and cells[used - 1] is None:
        used -= 1
    return used


class SheetWriter:
    """Rows and labels as a workbook.

    A workbook cannot be appended to, so only the labels are appended while the run goes on; they are put beside the
    rows at the end.

    Parameters
    ----------
    header, added : sequence of str
        Columns of the table, and names of the added ones.
    on_cut : callable
        Called with the row of a text that is longer than the format allows.

    Raises
    ------
    BatchError
        When the table has more columns than the format allows.
    """

    def __init__(self, header: Sequence[str], added: Sequence[str], on_cut: Callable[[int], None]) -> None:
        if len(header) + len(added) > MAX_COLUMNS:
            raise BatchError(f"{len(header)} columns and ours are more than XLSX holds ({MAX_COLUMNS:,}); write CSV")
        self._header = header
        self._added = added
        self._on_cut = on_cut
        self._rows = 1

    def begin(self) -> bytes:
        """Return nothing: the header is written at the end."""
        return b""

    def rows(self, rows: list[Row], labels: list[RowLabels], *, first: bool) -> bytes:
        """Return the labels as JSON Lines."""
        return "".join(json.dumps(label) + "\n" for label in labels).encode()

    def end(self, *, empty: bool) -> bytes:
        """Return nothing."""
        return b""

    def save(self, labels: Path, reader: Reader, target: Path) -> None:
        """Write the workbook, from a file of what `rows` returned and the rows once more."""
        book = Workbook(write_only=True)
        sheet = book.create_sheet("Tickets")
        native = isinstance(reader, SheetReader)
        if isinstance(reader, SheetReader):
            with reader._open(values=False) as table:
                sheet.title, book.epoch = table.title, table.parent.epoch
            rows: Iterator[Any] = reader.native_rows()
            header = [_copy(sheet, cell) for cell in next(rows)]
        else:
            rows = (row for row in reader.rows() if isinstance(row, Row))
            header = [_text(sheet, name) for name in self._header]
        sheet.append([*header, *(_text(sheet, name) for name in self._added)])
        with labels.open(encoding="utf-8") as lines:
            for number, (line, row) in enumerate(zip(lines, rows, strict=True), start=2):
                if number > MAX_ROWS:
                    raise BatchError(f"more rows than XLSX holds ({MAX_ROWS:,}); write CSV")
                cells = [_copy(sheet, cell) for cell in row] if native else self._cells(sheet, row)
                sheet.append([*cells, *_label_cells(sheet, RowLabels(*json.loads(line)))])
        book.save(target)

    def _cells(self, sheet: Any, row: Row) -> list[Any]:
        if any(len(cell) > MAX_CHARACTERS for cell in row.cells if isinstance(cell, str)):
            self._on_cut(row.number)
        return [_new_cell(sheet, cell) for cell in row.cells]


def _copy(sheet: Any, cell: Any) -> Any:
    if cell is None or cell.value is None:
        return None
    if isinstance(cell.value, str) and cell.data_type != "f":
        copy = WriteOnlyCell(sheet, cell.value)
        copy.data_type = "e" if cell.data_type == "e" else "s"
    else:
        copy = WriteOnlyCell(sheet, cell.value)
    if cell.number_format != "General":
        copy.number_format = cell.number_format
    return copy


def _new_cell(sheet: Any, value: object) -> Any:
    if isinstance(value, NumberText):
        number = float(value) if len(value) <= 15 else None  # Excel keeps 15 digits; longer ones stay text
        exact = number is not None and abs(number) < 1e300
        return int(value) if exact and value.lstrip("-").isdigit() else number if exact else _text(sheet, value)
    if value is None or isinstance(value, bool):
        return value
    return _text(sheet, cell_text(value))


def _text(sheet: Any, text: str) -> Any:
    """Return a cell that stays text, whatever it begins with; `None` for an empty one."""
    if not text:
        return None
    cell = WriteOnlyCell(sheet, _UNWRITABLE.sub(lambda m: f"_x{ord(m[0]):04X}_", well_formed(text)))
    cell.data_type = "s"
    return cell


def _label_cells(sheet: Any, labels: RowLabels) -> list[Any]:
    cells: list[Any] = []
    for name, value in labels._asdict().items():
        if name == "confidence" and value:
            cell = WriteOnlyCell(sheet, float(value))
            cell.number_format = "0.0000"
            cells.append(cell)
        else:
            cells.append(value if isinstance(value, bool) else _text(sheet, value))
    return cells


def _unescape(value: object) -> object:
    if isinstance(value, str) and "_x" in value:
        return _ESCAPED.sub(lambda m: chr(int(m[1], 16)), value)
    return value
