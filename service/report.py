"""`python -m service.report`: the model card of a version, as a page with images in the state folder."""

from __future__ import annotations

import click

from model.card import write_card
from model.errors import RouterError
from model.matrix import load_matrix
from model.registry import Registry
from service.settings import Settings


@click.command()
@click.option("--version", help="Version to report on; the one that serves by default.")
def report(version: str | None) -> None:
    """Write the model card of a version to the folder `report` of the state folder."""
    try:
        settings = Settings.from_env()
        registry = Registry(settings.models_dir)
        champion = registry.champion()
        chosen = version or (champion.version if champion else None)
        if chosen is None:
            raise click.ClickException("there is no model yet; run: issue-router train")
        page = write_card(registry, chosen, load_matrix(settings.matrix), settings.state_dir / "report")
    except RouterError as error:
        raise click.ClickException(str(error)) from error
    click.echo(page)


if __name__ == "__main__":
    report()
