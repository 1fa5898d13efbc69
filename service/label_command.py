"""The command `issue-router label`: asks for a run, shows how it goes and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from model.errors import BatchError
from service.batch import BatchOptions, Preview, label_file, preview
from service.compare import Confusion
from service.live import open_router
from service.settings import Settings
from service.summary import COUNTED, Summary
from service.tables.output import can_be_resumed
from service.tables.sources import FORMATS

MALFORMED = 3  # exit code when all rows are labelled, but some records were no rows
INTERRUPTED = 130
_LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal
_WIDE = 130  # columns of a terminal in which each label has one of its own
_DELIMITERS = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


def _path(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    return None if value in (None, "-") else Path(str(value))


@click.command()
@click.argument("source", metavar="IN", callback=_path)
@click.option("-o", "--output", "target", metavar="OUT", help="Where to write; - for standard output.")
@click.option("--text", metavar="COLUMN", multiple=True, help="Column with the text; repeat to join several.")
@click.option(
    "--compare",
    metavar="COLUMN=LABEL",
    multiple=True,
    help="Compare a column with severity, owner, queue or issue_type: a confusion table, also in OUT.compare.csv.",
)
@click.option("--dry-run", is_flag=True, help="Label the first 20 rows to the terminal; write nothing.")
@click.option("--resume", is_flag=True, help="Go on where a killed run stopped.")
@click.option("--input-format", type=click.Choice(FORMATS), help="Format of IN, where its name does not say.")
@click.option("--output-format", type=click.Choice(FORMATS), help="Format of OUT, where its name does not say.")
@click.option("--encoding", help="Encoding of IN, such as cp1252; found out by default.")
@click.option("--delimiter", help="Delimiter of a CSV: one character, or tab; found out by default.")
@click.option("--sheet", help="Sheet of a workbook; the first one by default.")
@click.option("--rejected", metavar="PATH", type=click.Path(path_type=Path), help="Default: OUT.rejected.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; one per core by default.")
@click.option("--chunk-rows", type=click.IntRange(min=1), default=1_000, show_default=True, help="Rows at a time.")
@click.option(
    "--backend", type=click.Choice(["joblib", "dask"]), default="joblib", show_default=True, help="Who labels."
)
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler, such as tcp://10.0.0.5:8786.")
def label(source: Path | None, target: str | None, dry_run: bool, **given: Any) -> None:
    """Label a file of tickets: IN is CSV, TSV, XLSX, JSON or JSON Lines, also as .gz; - is standard input.

    Every row and column is kept, in order; added are severity, owner, queue, issue_type, confidence, needs_review,
    decided_by, model_version and review_reasons, with a prefix where IN has such a column. OUT has the format that its
    name says, and appears whole or not at all. Malformed records go to OUT.rejected.

    Exit codes: 0 all labelled, 1 an error, 2 wrong usage, 3 labelled but for malformed records, 130 interrupted.
    """
    given["delimiter"] = _DELIMITERS.get(given["delimiter"] or "", given["delimiter"])
    options = BatchOptions(**{field.name: given[field.name] for field in fields(BatchOptions)})
    if dry_run:
        _show_preview(preview(source, open_router(Settings.from_env()), options))
        return
    if target is None:
        raise click.UsageError("give -o OUT, or --dry-run")
    out = None if target == "-" else Path(target)
    console = Console(stderr=out is None, highlight=False)
    try:
        with _progress() as on_progress:
            summary = label_file(source, out, open_router(Settings.from_env()), options, on_progress=on_progress)
    except KeyboardInterrupt:
        left = "what was written is not whole" if out is None else "nothing was kept"
        if out is not None and can_be_resumed(out):
            left = "the same command with --resume goes on from here"
        click.echo(f"interrupted; {left}", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # who read standard output has seen enough
        sys.stderr.close()
        sys.exit(1)
    _show_summary(console, summary)
    if summary.rejected:
        sys.exit(MALFORMED)


@contextmanager
def _progress() -> Iterator[Any]:
    """Give what to call after each chunk: it moves a bar on a terminal, and writes lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.fields[rows]:,} rows"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("label", total=None, rows=0)

        def show(rows: int, share: float | None) -> None:
            bar.update(task, rows=rows, completed=share or 0.0, total=1.0 if share is not None else None)

        yield show


class _Lines:
    """Progress as plain lines on standard error."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, rows: int, share: float | None) -> None:
        if time.monotonic() >= self._next:
            self._next += _LINE_SECONDS
            click.echo(f"{rows:,} rows" + (f", {share:.0%} of the input" if share is not None else ""), err=True)


def _show_summary(console: Console, summary: Summary) -> None:
    def say(text: str) -> None:
        console.print(Text(_printable(text)), soft_wrap=True)

    say(f"text from: {', '.join(summary.text_columns) or 'nothing'}")
    say(f"added: {', '.join(summary.added_columns)}")
    say(f"{summary.rows:,} rows, {summary.review:,} for review" + _resumed(summary))
    for name in COUNTED:
        say(f"  {name}: {_counts(getattr(summary, name))}")
    say(f"{summary.seconds:.1f} seconds, {summary.rows_per_second:,.0f} rows per second")
    for confusion in summary.confusions:
        _show_confusion(console, confusion)
    if summary.report_file:
        say(f"comparison: {summary.report_file}")
    if summary.cut_rows:
        say(f"{summary.cut_rows:,} rows have a text longer than a cell of XLSX holds; it was cut there")
    for problem in summary.problems:
        click.echo(f"line {problem.number}: {problem.reason}", err=True)
    if summary.rejected:
        where = f"written to {summary.rejected_file}" if summary.rejected_file else "give --rejected PATH to keep them"
        click.echo(f"{summary.rejected:,} malformed records were not labelled: {where}", err=True)


def _resumed(summary: Summary) -> str:
    return f"; {summary.resumed:,} were labelled before" if summary.resumed else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _show_confusion(console: Console, confusion: Confusion) -> None:
    agreement = "no row to compare" if confusion.agreement is None else f"{confusion.agreement:.1%} agree"
    ours = sorted({pair[1] for pair in confusion.pairs})
    title = _printable(f"{confusion.column} (down) and the router's {confusion.label} (across): {agreement}")
    console.print(Text(title), soft_wrap=True)
    table = Table("", *ours)
    for desk in sorted({pair[0] for pair in confusion.pairs}):
        table.add_row(desk, *(f"{confusion.pairs[desk, label]:,}" for label in ours))
    console.print(table)
    if confusion.unmapped:
        listed = ", ".join(f"{value} ({n:,})" for value, n in confusion.unmapped.most_common(10))
        text = f"stand for no {confusion.label}: {confusion.unmapped.total():,} rows: {listed}"
        console.print(Text(_printable(text)), soft_wrap=True)


def _show_preview(first: Preview) -> None:
    if not first.text_columns:
        raise BatchError("there is no ticket in the file")
    console = Console(highlight=False)
    console.print(Text(_printable(f"text from: {', '.join(first.text_columns)}")), soft_wrap=True)
    wide = console.width >= _WIDE
    names = ("severity", "owner", "queue", "issue type", "confidence", "review") if wide else ("labels",)
    table = Table("line", "text", *names)
    for number, text, ours in first.tickets:
        review = ours.review_reasons if ours.needs_review else ""
        labels = [ours.severity, ours.owner, ours.queue, ours.issue_type, ours.confidence, review]
        if not wide:
            labels = ["\n".join(filter(None, (", ".join(labels[:3]), " ".join(labels[3:5]), review)))]
        excerpt = Text(_printable(text)[:80], overflow="ellipsis", no_wrap=wide)
        table.add_row(str(number), excerpt, *map(Text, labels))
    console.print(table)


def _printable(text: str) -> str:
    """Return the text without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
