"""Exported tickets in, labelled tickets out, in constant memory.

Examples
--------
>>> from service.live import open_router
>>> from service.settings import Settings
>>> router = open_router(Settings.from_env())  # doctest: +SKIP
>>> label_file(Path("tickets.csv"), Path("labelled.csv"), router).rows  # doctest: +SKIP
1204
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from joblib import cpu_count

from model.errors import BatchError
from model.matrix import Matrix
from model.router import Router
from service.backends import Backend, InProcess, Processes, label_in_order
from service.chunks import Chunk, cut_into_chunks
from service.cluster import DaskCluster
from service.compare import Comparison, report
from service.summary import Summary, Tally
from service.tables.columns import find_text_columns, ticket_text
from service.tables.formats import open_reader, open_writer
from service.tables.labels import RowLabels, added_columns, label_texts
from service.tables.output import FileOutput, Output, StreamOutput, write_whole
from service.tables.records import Reader, Row
from service.tables.sheets import SheetWriter
from service.tables.sources import Source, format_of, open_source

_SMALL = 2  # chunks: so few are labelled sooner than processes start
Progress = Callable[[int, float | None], None]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to label a file.

    Attributes
    ----------
    text : tuple of str
        Names of the text columns; found by known names when empty.
    compare : tuple of str
        `COLUMN=LABEL`: what to compare with what the desk had said.
    input_format, output_format : str or None
        One of `service.tables.sources.FORMATS`; by default what the names say, and for the output the input's.
    encoding, delimiter, sheet : str or None
        How to read the input; found out by default.
    rejected : Path or None
        Where malformed records go; `OUT.rejected` by default.
    resume : bool
        Whether to go on where a killed run stopped.
    backend : {"joblib", "dask"}
        Who labels.
    jobs : int or None
        Processes of joblib; one per core by default.
    scheduler : str or None
        Address of the Dask scheduler.
    chunk_rows : int
        Rows that are labelled together.
    """

    text: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    input_format: str | None = None
    output_format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    rejected: Path | None = None
    resume: bool = False
    backend: Literal["joblib", "dask"] = "joblib"
    jobs: int | None = None
    scheduler: str | None = None
    chunk_rows: int = 1_000


@dataclass(frozen=True, slots=True)
class Preview:
    """The first tickets of a file with their labels."""

    text_columns: tuple[str, ...]
    tickets: tuple[tuple[int, str, RowLabels], ...]


def label_file(
    source: Path | None,
    target: Path | None,
    router: Router,
    options: BatchOptions | None = None,
    *,
    on_progress: Progress = lambda rows, share: None,
) -> Summary:
    """Label a file of tickets.

    Every row and column is kept, in order, and the columns of `RowLabels` are added. `target` appears whole or not at
    all.

    Parameters
    ----------
    source : Path or None
        CSV, TSV, XLSX, a JSON array or JSON Lines, plain or gzip; `None` is standard input.
    target : Path or None
        The labelled file, in the format that its name says; `None` is standard output.
    router : Router
        Who decides.
    options : BatchOptions, optional
    on_progress : callable
        Called after every chunk with the rows done and the share of the input read, in 0..1 or `None`.

    Returns
    -------
    Summary

    Raises
    ------
    BatchError
        When the file cannot be labelled as asked; nothing stands under the target's name then.
    """
    options = options or BatchOptions()
    started = time.monotonic()
    _check_paths(source, target, options)
    with _no_traceback(target), open_source(source, options.input_format, options.encoding) as opened:
        job = _Job(opened, target, router, options)
        return job.run(started, on_progress)


def preview(source: Path | None, router: Router, options: BatchOptions | None = None, *, rows: int = 20) -> Preview:
    """Label the first tickets of a file and write nothing; parameters as for `label_file`."""
    options = options or BatchOptions()
    with _no_traceback(None), open_source(source, options.input_format, options.encoding) as opened:
        reader = open_reader(opened, delimiter=options.delimiter, sheet=options.sheet)
        columns = _text_columns(reader, options)
        first = list(islice((row for row in reader.rows() if isinstance(row, Row)), rows))
        texts = [ticket_text(row, columns) for row in first]
        tickets = zip((row.number for row in first), texts, label_texts(router, texts), strict=True)
        return Preview(tuple(reader.header[n] for n in columns), tuple(tickets))


class _Job:
    """One run over an opened source."""

    def __init__(self, source: Source, target: Path | None, router: Router, options: BatchOptions) -> None:
        self._source, self._target, self._router, self._options = source, target, router, options
        self._reader = open_reader(source, delimiter=options.delimiter, sheet=options.sheet)
        self._columns = _text_columns(self._reader, options)
        self._added = added_columns(self._reader.header)
        self._cut = set[int]()
        named, self._compress = format_of(str(target)) if target else (None, False)
        if target and target.suffix and not named and not options.output_format:
            raise BatchError(f"{target}: no format is known by the ending {target.suffix}; give --output-format")
        self._format = options.output_format or named or source.format
        labels = _possible_labels(router.matrix)
        self._writer = open_writer(self._format, source, self._reader, self._added, labels=labels, on_cut=self._cut.add)
        self._tally = Tally([Comparison(c, self._reader.header, router.matrix) for c in options.compare])

    def run(self, started: float, on_progress: Progress) -> Summary:
        with ExitStack() as stack:
            output = self._open_output()
            stack.callback(output.close)
            resumed = self._label(output, on_progress)
            begin = self._writer.begin() if not self._done else b""
            output.finish(self._writer, self._reader, begin + self._writer.end(empty=not self._tally.rows))
        return self._summary(started, resumed)

    def _label(self, output: Output, on_progress: Progress) -> int:
        tally, writer = self._tally, self._writer
        self._done = output.checkpoint.chunks
        if self._done:
            tally.restore(output.checkpoint.tallies)
        resumed = tally.rows
        chunks = islice(cut_into_chunks(self._reader, self._columns, self._options.chunk_rows), self._done, None)
        with _backend(self._router, chunks, self._options) as (backend, all_chunks):
            for chunk, labels in label_in_order(backend, all_chunks):
                data = b"" if self._done else writer.begin()
                if chunk.rows:
                    data += writer.rows(chunk.rows, labels, first=not tally.rows)
                tally.add(chunk.rows, labels, chunk.rejected)
                output.append(data, self._source.encoding.encode(chunk.rejected_text()), tally.state())
                self._done += 1
                on_progress(tally.rows, self._reader.share_read())
        return resumed

    def _open_output(self) -> Output:
        target, options = self._target, self._options
        sheet = isinstance(self._writer, SheetWriter)
        if target is None or (target.exists() and not target.is_file()):
            stream = sys.stdout.buffer if target is None else target.open("wb")
            return StreamOutput(stream, options.rejected, spool=sheet)
        return FileOutput(
            target,
            self._rejected_path(target),
            self._identity(),
            resume=options.resume,
            compress=self._compress,
            sheet=sheet,
        )

    def _rejected_path(self, target: Path) -> Path:
        return self._options.rejected or target.with_name(target.name + ".rejected")

    def _identity(self) -> Mapping[str, str]:
        """Return what must not change between a killed run and the one that resumes it."""
        options = self._options
        settings = {
            "--input-format": self._source.format,
            "--output-format": self._format,
            "--encoding": self._source.encoding,
            "--delimiter": options.delimiter,
            "--sheet": options.sheet,
            "--text": self._columns,
            "--compare": options.compare,
            "--chunk-rows": options.chunk_rows,
        }
        return {name: repr(value) for name, value in settings.items()} | {
            "input": self._source.digest,
            "model": self._router.model_version or "",
            "matrix": self._router.matrix.digest,
            "corrections": _corrections_digest(self._router),
        }

    def _summary(self, started: float, resumed: int) -> Summary:
        tally, target = self._tally, self._target
        confusions = tuple(comparison.confusion for comparison in tally.comparisons)
        report_file = (
            target.with_name(target.name + ".compare.csv") if target and target.is_file() and confusions else None
        )
        if report_file:
            write_whole(report_file, report(confusions))
        rejected_file = self._options.rejected
        if tally.rejected and target and target.is_file():
            rejected_file = self._rejected_path(target)
        return Summary(
            rows=tally.rows,
            resumed=resumed,
            severity={name: tally.labels["severity"][name] for name in self._router.matrix.severity_ids},
            owner={name: tally.labels["owner"][name] for name in self._router.matrix.owner_ids},
            queue={name: tally.labels["queue"][name] for name in self._router.matrix.queue_ids},
            decided_by=dict(tally.labels["decided_by"]),
            review=tally.review,
            rejected=tally.rejected,
            problems=tuple(tally.problems),
            cut_rows=len(self._cut),
            text_columns=tuple(self._reader.header[n] for n in self._columns),
            added_columns=self._added,
            confusions=confusions,
            target=target,
            rejected_file=rejected_file if tally.rejected else None,
            report_file=report_file,
            seconds=time.monotonic() - started,
        )


@contextmanager
def _backend(
    router: Router, chunks: Iterator[Chunk], options: BatchOptions
) -> Iterator[tuple[Backend, Iterator[Chunk]]]:
    """Choose who labels: few rows are not worth the start of processes."""
    jobs = options.jobs or cpu_count()
    start = list(islice(chunks, _SMALL + 1))
    backend: Backend
    if options.backend == "dask":
        if not options.scheduler:
            raise BatchError("--backend dask needs --scheduler ADDRESS, such as tcp://127.0.0.1:8786")
        backend = DaskCluster(options.scheduler, router)
    elif jobs == 1 or len(start) <= _SMALL:
        backend = InProcess(router)
    else:
        backend = Processes(router, jobs)
    try:
        yield backend, chain(start, chunks)
    finally:
        backend.close()


def _text_columns(reader: Reader, options: BatchOptions) -> tuple[int, ...]:
    if not reader.header:  # JSON without any object has no columns to choose from
        return ()
    return find_text_columns(reader.header, options.text)


def _possible_labels(matrix: Matrix) -> list[str]:
    return [*matrix.severity_ids, *matrix.owner_ids, *matrix.queue_ids, *matrix.issue_type_ids]


def _corrections_digest(router: Router) -> str:
    known = router.precedents
    items: list[tuple[str, str]] = []
    if isinstance(known, Mapping):
        items = sorted((text, repr(labels)) for text, labels in known.items())
    return hashlib.sha256(repr(items).encode()).hexdigest()


def _check_paths(source: Path | None, target: Path | None, options: BatchOptions) -> None:
    if source is not None and not source.exists():
        raise BatchError(f"{source}: there is no such file")
    if source is not None and source.is_dir():
        raise BatchError(f"{source}: is a folder")
    if target is not None and target.is_dir():
        raise BatchError(f"{target}: is a folder")
    if source is not None and target is not None and target.exists() and source.samefile(target):
        raise BatchError(f"{target}: is the input; give the output another name")
    if options.resume and target is None:
        raise BatchError("--resume needs an output file: standard output cannot be gone on with")
    if options.scheduler and options.backend != "dask":
        raise BatchError("--scheduler is for a Dask cluster: give --backend dask too")
    if options.chunk_rows < 1 or (options.jobs is not None and options.jobs < 1):
        raise BatchError("chunk rows and jobs must be at least 1")


@contextmanager
def _no_traceback(target: Path | None) -> Iterator[None]:
    """Say what the system refused, in place of a stack trace."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = error.filename or target or "standard output"
        raise BatchError(f"{where}: {error.strerror or error}") from error
