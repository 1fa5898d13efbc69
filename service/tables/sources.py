"""Where tickets come from, as bytes: a file, a gzip or standard input; their format, digest and encoding."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from charset_normalizer import from_bytes

from model.errors import BatchError

FORMATS = ("csv", "tsv", "xlsx", "json", "jsonl")
KEEP = "issue-router-keep"  # name of the error handler below
_EXTENSIONS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16, so it is asked for first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What helpdesks and Excel write besides UTF-8; a longer list makes a guess from few letters worse.
_LEGACY = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1255", "cp1256", "cp874", "cp932", "gb18030", "big5", "cp949"]
_BLOCK = 1 << 20
_SAMPLE = 1 << 16


def _keep(error: UnicodeError) -> tuple[str | bytes, int]:
    """Keep what cannot be decoded, so that writing gives the same bytes; replace what cannot be kept."""
    if not isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
        raise error
    wide = error.encoding.startswith(("utf-16", "utf-32"))
    try:
        return codecs.lookup_error("surrogatepass" if wide else "surrogateescape")(error)
    except UnicodeError:
        if isinstance(error, UnicodeDecodeError):
            return "\ufffd", error.end
        mark = "\ufffd" if error.encoding.startswith("utf") else "?"
        return mark * (error.end - error.start), error.end


codecs.register_error(KEEP, _keep)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a text file is encoded, and the byte order mark that it begins with."""

    name: str
    bom: bytes = b""

    def encode(self, text: str) -> bytes:
        """Return the bytes of a text; undecodable bytes of the source come back as they were."""
        return text.encode(self.name, KEEP)


UTF8 = Encoding("utf-8")


@dataclass(frozen=True, slots=True)
class Source:
    """Tickets as bytes that can be read more than once.

    Attributes
    ----------
    name : str
        What to call it in messages.
    path : Path
        Where the bytes are; a temporary file for standard input.
    format : str
        One of `FORMATS`.
    compressed : bool
        Whether the bytes are gzip.
    digest : str
        SHA-256 of the uncompressed bytes.
    encoding : Encoding
        How text is encoded; of no meaning for XLSX.
    """

    name: str
    path: Path
    format: str
    compressed: bool
    digest: str
    encoding: Encoding

    @contextmanager
    def text(self) -> Iterator[tuple[io.TextIOWrapper, Callable[[], float]]]:
        """Open as text without the byte order mark, line endings untouched, and with the share read so far."""
        size = max(self.path.stat().st_size, 1)
        with self.path.open("rb") as raw, _plain(raw, self.compressed) as stream:
            stream.read(len(self.encoding.bom))
            with io.TextIOWrapper(stream, self.encoding.name, KEEP, newline="") as text:
                yield text, lambda: 1.0 if raw.closed else min(raw.tell() / size, 1.0)


def format_of(name: str) -> tuple[str | None, bool]:
    """Return the format that a file name stands for (`None`: unknown), and whether it is gzip.

    Examples
    --------
    >>> format_of("tickets.JSON.gz")
    ('json', True)
    """
    path = Path(name.lower())
    compressed = path.suffix == ".gz"
    return _EXTENSIONS.get(Path(path.stem).suffix if compressed else path.suffix), compressed


@contextmanager
def open_source(path: Path | None, file_format: str | None = None, encoding: str | None = None) -> Iterator[Source]:
    """Find out what a file is.

    Parameters
    ----------
    path : Path or None
        The file; `None` is standard input, which is kept in a temporary file while it is in use.
    file_format : str, optional
        One of `FORMATS`; by default what the name, or else the content, says.
    encoding : str, optional
        Name of the encoding; found out by default.

    Raises
    ------
    BatchError
        When the file cannot be read or is of no format that we know.
    """
    with tempfile.TemporaryDirectory(prefix="issue-router-") as folder:
        name = str(path) if path else "standard input"
        if path is None:
            path = Path(folder, "input")
            with path.open("wb") as spool:
                shutil.copyfileobj(sys.stdin.buffer, spool, _BLOCK)
        try:
            source = _inspect(path, name, file_format, encoding)
            if source.format == "xlsx" and source.compressed:
                source = _unpack(source, Path(folder, "sheet.xlsx"))
        except (EOFError, gzip.BadGzipFile) as error:
            raise BatchError(f"{name}: the gzip is broken: {error}") from error
        except OSError as error:
            raise BatchError(f"{name}: cannot be read: {error.strerror or error}") from error
        yield source


def _inspect(path: Path, name: str, file_format: str | None, encoding: str | None) -> Source:
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with _plain(raw, compressed) as stream:
            start = stream.read(_SAMPLE)
            file_format = _format(start, name, file_format)
            digest = hashlib.sha256(start)
            bad = _Utf8Check(start)
            while block := stream.read(_BLOCK):
                digest.update(block)
                bad.look(block)
    found = _given(encoding, start) if encoding else _encoding(start, bad)
    return Source(name, path, file_format, compressed, digest.hexdigest(), found)


def _unpack(source: Source, path: Path) -> Source:
    with gzip.open(source.path) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file, _BLOCK)
    return Source(source.name, path, source.format, False, source.digest, source.encoding)


def _plain(raw: BinaryIO, compressed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw) if compressed else raw)


def _format(start: bytes, name: str, wanted: str | None) -> str:
    if start.startswith(b"PK\x03\x04"):
        return "xlsx"
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise BatchError(f"{name}: an old .xls workbook or one with a password; save it as .xlsx without a password")
    wanted = wanted or format_of(name)[0]
    if wanted == "xlsx":
        raise BatchError(f"{name}: not an XLSX workbook")
    if wanted:
        return wanted
    head = start.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    return {b"[": "json", b"{": "jsonl"}.get(head, "csv")


class _Utf8Check:
    """Whether all bytes are UTF-8, and if not, a sample around the first that are not."""

    def __init__(self, start: bytes) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.sample: bytes | None = None
        self.look(start)

    def look(self, block: bytes) -> None:
        if self.sample is None:
            try:
                self._decoder.decode(block)
            except UnicodeDecodeError as error:
                at = max(error.start - _SAMPLE // 2, 0)
                self.sample = error.object[at : at + _SAMPLE]

    def failed(self) -> bytes | None:
        if self.sample is None:
            try:
                self._decoder.decode(b"", final=True)
            except UnicodeDecodeError as error:
                self.sample = error.object
        return self.sample


def _given(name: str, start: bytes) -> Encoding:
    try:
        canonical = codecs.lookup(name).name
        "".encode(canonical).decode(canonical)
    except LookupError as error:
        raise BatchError(f"encoding: {name!r} is not a text encoding that we know") from error
    for bom, family in _BOMS:
        if start.startswith(bom) and canonical.startswith(family.removesuffix("-le").removesuffix("-be")):
            return Encoding(family, bom)
    return Encoding({"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(canonical, canonical))


def _encoding(start: bytes, check: _Utf8Check) -> Encoding:
    for bom, name in _BOMS:
        if start.startswith(bom):
            return Encoding(name, bom)
    head = start[:64]
    half = len(head) // 2
    if half and not head[0::2].count(0) and head[1::2].count(0) >= 0.8 * half:
        return Encoding("utf-16-le")
    if half and not head[1::2].count(0) and head[0::2].count(0) >= 0.8 * half:
        return Encoding("utf-16-be")
    bad = check.failed()
    if bad is None:
        return UTF8
    return Encoding(_legacy(bad))


def _legacy(sample: bytes) -> str:
    guesses = list(from_bytes(sample, cp_isolation=_LEGACY))
    if not guesses:
        return "cp1252"
    as_good = [g for g in guesses if (g.chaos, g.coherence) == (guesses[0].chaos, guesses[0].coherence)]
    names = {name for guess in as_good for name in guess.could_be_from_charset}
    return "cp1252" if "cp1252" in names else guesses[0].encoding  # the commonest where several fit as well
