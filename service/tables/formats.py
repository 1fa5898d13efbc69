"""Which reader and which writer a table of tickets needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model.errors import BatchError
from service.tables.delimited import DelimitedReader, DelimitedWriter, Dialect
from service.tables.json_objects import JsonReader, JsonWriter
from service.tables.records import Reader, Writer
from service.tables.sheets import SheetReader, SheetWriter
from service.tables.sources import UTF8, Source


def open_reader(source: Source, *, delimiter: str | None = None, sheet: str | None = None) -> Reader:
    """Return the reader of a source.

    Parameters
    ----------
    source : Source
    delimiter : str, optional
        One character, for CSV and TSV; found out by default.
    sheet : str, optional
        Name of the sheet, for XLSX; the first one by default.

    Raises
    ------
    BatchError
        When the table has no header or is broken, or what is given does not go with its format.
    """
    if sheet is not None and source.format != "xlsx":
        raise BatchError(f"{source.name}: a sheet is named, but the file is {source.format}, not XLSX")
    if delimiter is not None and source.format not in ("csv", "tsv"):
        raise BatchError(f"{source.name}: a delimiter is given, but the file is {source.format}, not CSV or TSV")
    if source.format == "xlsx":
        return SheetReader(source, sheet)
    if source.format in ("json", "jsonl"):
        return JsonReader(source)
    if delimiter is not None and len(delimiter) != 1:
        raise BatchError(f"delimiter: {delimiter!r} is not one character")
    return DelimitedReader(source, delimiter)


def open_writer(
    file_format: str,
    source: Source,
    reader: Reader,
    added: Sequence[str],
    *,
    labels: Sequence[str] = (),
    on_cut: Callable[[int], None] = lambda row: None,
) -> Writer:
    """Return the writer of a format for the rows of a reader.

    A format that was read is written as it was: encoding, byte order mark, delimiter and line endings.

    Parameters
    ----------
    file_format : str
        One of `service.tables.sources.FORMATS`.
    source, reader
        What is read.
    added : sequence of str
        Names of the added columns.
    labels : sequence of str
        Texts that labels can have.
    on_cut : callable
        Called with the number of a row with a text longer than the format allows.
    """
    if file_format == "xlsx":
        return SheetWriter(reader.header, added, on_cut)
    if file_format in ("json", "jsonl"):
        same = isinstance(reader, JsonReader)
        encoding = source.encoding if same else UTF8
        lines = file_format == "jsonl"
        return JsonWriter(reader.header, added, lines=lines, encoding=encoding, keep_raw=same)
    dialect = Dialect("\t" if file_format == "tsv" else ",")
    encoding = UTF8
    if isinstance(reader, DelimitedReader):
        encoding = source.encoding
        if file_format == source.format or dialect.delimiter == reader.dialect.delimiter:
            dialect = reader.dialect
        else:
            dialect = Dialect(dialect.delimiter, reader.dialect.ending)
    keep_raw = bool(dialect.raw_header)
    return DelimitedWriter(reader.header, added, dialect, encoding, keep_raw=keep_raw, labels=labels)
