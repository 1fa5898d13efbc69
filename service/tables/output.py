"""Writes a labelled table so that it appears whole or not at all, and so that a killed run can go on.

Beside OUT stand, while a run goes on: `OUT.partial` with what is done, `OUT.rejected.partial` with the malformed
records, and the journal `OUT.progress`: what is labelled and how, and after each chunk how far the two files are good.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from filelock import FileLock, Timeout

from model.errors import BatchError
from service.tables.records import Reader, Writer
from service.tables.sheets import SheetWriter


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a run has come.

    Attributes
    ----------
    chunks : int
        Chunks that are done.
    size, rejected_size : int
        Good bytes of the two files.
    digest : str
        SHA-256 of the good bytes.
    tallies : mapping
        What was counted so far.
    """

    chunks: int = 0
    size: int = 0
    rejected_size: int = 0
    digest: str = ""
    tallies: Mapping[str, Any] = field(default_factory=dict)


class Output(Protocol):
    """Where a labelled table goes."""

    checkpoint: Checkpoint

    def append(self, data: bytes, rejected: bytes, tallies: Mapping[str, Any]) -> None:
        """Write one chunk."""

    def finish(self, writer: Writer, reader: Reader, end: bytes) -> None:
        """Write the end, and let the table appear."""

    def close(self) -> None:
        """Close the files; what is unfinished stays for another run, unless nothing is done yet."""


class FileOutput:
    """A file that appears under its name when it is whole.

    Parameters
    ----------
    target : Path
        The file.
    rejected : Path
        The file of malformed records.
    identity : mapping of str to str
        What a run must have in common with the one that it resumes.
    resume : bool
        Whether to go on where a killed run stopped.
    compress : bool
        Whether to write gzip.
    sheet : bool
        Whether the table is an XLSX workbook, which is made from the partial file at the end.

    Raises
    ------
    BatchError
        When another run writes the file, or it cannot be resumed.
    """

    def __init__(
        self,
        target: Path,
        rejected: Path,
        identity: Mapping[str, str],
        *,
        resume: bool = False,
        compress: bool = False,
        sheet: bool = False,
    ) -> None:
        self._target = target.resolve()  # the file behind a link, not the link
        self._rejected = rejected
        # Each chunk is a gzip member of its own, so that a resumed run writes the same bytes as an uninterrupted one.
        self._pack_chunks = compress and not sheet
        self._pack_whole = compress and sheet
        self.partial = _beside(self._target, ".partial")
        self._rejected_partial = _beside(rejected, ".partial")
        self.journal = _beside(self._target, ".progress")
        if not self._target.parent.is_dir():
            raise BatchError(f"{target}: there is no folder {self._target.parent}")
        self._lock = FileLock(_beside(self._target, ".lock"), timeout=0)
        try:
            self._lock.acquire()
        except Timeout as error:
            taken = Path(self._lock.lock_file).exists()
            why = "another run is writing this file" if taken else "cannot be locked; can a file be written there?"
            raise BatchError(f"{target}: {why}") from error
        try:
            self._open(identity, resume)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, identity: Mapping[str, str], resume: bool) -> None:
        self.checkpoint = Checkpoint()
        self._digest = hashlib.sha256()
        lines = _read_journal(self.journal) if resume and self.partial.exists() else []
        if len(lines) == 2:
            _check_identity(lines[0], identity, self._target)
            self.checkpoint = Checkpoint(**lines[1])
            self._digest = _good_bytes(self.partial, self.checkpoint)
        fresh = not self.checkpoint.chunks
        self._journal = self.journal.open("w" if fresh else "a", encoding="utf-8")
        self._file = _open_at(self.partial, self.checkpoint.size)
        self._rejects = _open_at(self._rejected_partial, self.checkpoint.rejected_size)
        # A line that was cut by the kill must not swallow the next one.
        self._note(dict(identity) if fresh else _as_line(self.checkpoint))

    def append(self, data: bytes, rejected: bytes, tallies: Mapping[str, Any]) -> None:
        """Write one chunk and note it in the journal."""
        data = gzip.compress(data, mtime=0) if self._pack_chunks and data else data
        self._file.write(data)
        self._file.flush()
        self._rejects.write(rejected)
        self._rejects.flush()
        self._digest.update(data)
        self.checkpoint = Checkpoint(
            self.checkpoint.chunks + 1,
            self.checkpoint.size + len(data),
            self.checkpoint.rejected_size + len(rejected),
            self._digest.hexdigest(),
            tallies,
        )
        self._note(_as_line(self.checkpoint))

    def finish(self, writer: Writer, reader: Reader, end: bytes) -> None:
        """Write the end, and let the table appear under its name."""
        self._file.write(gzip.compress(end, mtime=0) if self._pack_chunks and end else end)
        _sync(self._file)
        _sync(self._rejects)
        whole = self.partial
        if isinstance(writer, SheetWriter):
            whole = self._converted(writer, reader)
        if self._rejected_partial.stat().st_size:
            self._rejected_partial.replace(self._rejected)
        else:  # what an earlier run rejected is no word on this one
            self._rejected.unlink(missing_ok=True)
        whole.replace(self._target)
        self.checkpoint = Checkpoint()

    def _converted(self, writer: SheetWriter, reader: Reader) -> Path:
        sheet, packed = _beside(self.partial, ".xlsx"), _beside(self.partial, ".xlsx.gz")
        writer.save(self.partial, reader, sheet)
        if self._pack_whole:
            _pack(sheet, packed)
        whole = packed if self._pack_whole else sheet
        with whole.open("rb+") as file:
            _sync(file)
        return whole

    def close(self) -> None:
        """Close the files; what is unfinished stays for `resume`, unless nothing is done yet."""
        for file in (self._file, self._rejects, self._journal):
            with suppress(OSError):  # a full disk was reported when it was written to
                file.close()
        for suffix in (".xlsx", ".xlsx.gz"):
            _beside(self.partial, suffix).unlink(missing_ok=True)
        if not self.checkpoint.chunks:
            for path in (self.partial, self._rejected_partial, self.journal):
                path.unlink(missing_ok=True)
        with suppress(OSError):  # while it is held, so that no other run's lock goes
            Path(self._lock.lock_file).unlink()
        self._lock.release()

    def _note(self, line: Mapping[str, Any]) -> None:
        self._journal.write("\n" * (self._journal.tell() > 0) + json.dumps(line))
        self._journal.flush()


class StreamOutput:
    """Standard output, or a device: what is written cannot be taken back.

    Parameters
    ----------
    stream : BinaryIO
        Where to write.
    rejected : Path or None
        The file of malformed records; `None`: they are only reported.
    """

    def __init__(self, stream: BinaryIO, rejected: Path | None, *, spool: bool) -> None:
        self.checkpoint = Checkpoint()
        self._stream = stream
        self._rejected = rejected
        self._rejects: BinaryIO | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="issue-router-")
        self._spool = Path(self._folder.name, "spool")
        self._file = self._spool.open("wb") if spool else stream

    def append(self, data: bytes, rejected: bytes, tallies: Mapping[str, Any]) -> None:
        """Write one chunk."""
        self._file.write(data)
        if rejected and self._rejected:
            self._rejects = self._rejects or self._rejected.open("wb")
            self._rejects.write(rejected)

    def finish(self, writer: Writer, reader: Reader, end: bytes) -> None:
        """Write the end."""
        self._file.write(end)
        self._file.flush()
        if isinstance(writer, SheetWriter):
            whole = self._spool.with_suffix(".xlsx")
            writer.save(self._spool, reader, whole)
            with whole.open("rb") as file:
                shutil.copyfileobj(file, self._stream)
        self._stream.flush()

    def close(self) -> None:
        """Close the files."""
        if self._rejects:
            self._rejects.close()
        if self._file is not self._stream:
            self._file.close()
        if self._stream is not sys.stdout.buffer:
            self._stream.close()
        self._folder.cleanup()


def can_be_resumed(target: Path) -> bool:
    """Say whether an unfinished run left something of a file that another one can go on with."""
    return _beside(target.resolve(), ".progress").exists()


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it appears whole or not at all."""
    partial = _beside(path, ".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            _sync(file)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _pack(path: Path, packed: Path) -> None:
    with path.open("rb") as file, packed.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
        shutil.copyfileobj(file, stream, 1 << 20)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open_at(path: Path, size: int) -> BinaryIO:
    file = path.open("rb+" if size else "wb")
    file.truncate(size)
    file.seek(size)
    return file


def _as_line(checkpoint: Checkpoint) -> dict[str, Any]:
    return {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the first line and the last whole one."""
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    try:
        with path.open(encoding="utf-8") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue  # cut by the kill
                first, last = (first, line) if first else (line, last)
    except FileNotFoundError:
        return []
    return [line for line in (first, last) if line]


def _check_identity(before: Mapping[str, Any], now: Mapping[str, str], target: Path) -> None:
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise BatchError(
            f"{target}: cannot be resumed: {', '.join(changed)} changed since the run began; "
            "run without --resume to start over"
        )


def _good_bytes(path: Path, checkpoint: Checkpoint) -> Any:
    digest = hashlib.sha256()
    left = checkpoint.size
    with path.open("rb") as file:
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    if digest.hexdigest() != checkpoint.digest:
        raise BatchError(f"{path}: is not what the journal says; run without --resume to start over")
    return digest
