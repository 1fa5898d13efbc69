"""`issue-router corrections`: look at corrections, carry them to another database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from model.errors import RouterError
from model.matrix import load_matrix
from service.corrections import CorrectionStore
from service.settings import Settings

_WIDTH = 60


@contextmanager
def _store() -> Iterator[tuple[CorrectionStore, Settings]]:
    try:
        settings = Settings.from_env()
        with CorrectionStore(settings.database_url) as store:
            yield store, settings
    except RouterError as error:
        raise click.ClickException(str(error)) from error


@click.group("corrections")
def corrections_group() -> None:
    """What people corrected: list it, export it, import it."""


@corrections_group.command()
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, .csv or .jsonl.",
)
def export(output: Path) -> None:
    """Write every correction, superseded ones included, to a file."""
    with _store() as (store, _):
        count = store.export(output)
    click.echo(f"{count} corrections written to {output}")


@corrections_group.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(source: Path) -> None:
    """Add the corrections of a file that `export` wrote; those already there are left alone."""
    with _store() as (store, settings):
        count = store.import_(source, load_matrix(settings.matrix))
    click.echo(f"{count} new corrections from {source}")


@corrections_group.command("list")
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Most to show.")
def list_(limit: int) -> None:
    """Show the newest corrections, one a line."""
    with _store() as (store, _):
        newest, count = store.latest(limit), store.count()
    for c in newest:
        text = " ".join(c.text.split())
        text = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
        labels = f"{c.labels.severity}  {c.labels.owner}  {c.labels.queue}  {c.labels.issue_type}"
        click.echo(f"{c.created_at:%Y-%m-%d %H:%M}  {c.who}  {labels}  {text}")
    if len(newest) < count:
        click.echo(f"{len(newest)} of {count} corrections; --limit shows more")
