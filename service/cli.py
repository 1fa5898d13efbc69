"""The command line: thin commands over the same parts as the API."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
from pydantic import TypeAdapter, ValidationError

from model.errors import InputError, PromotionRefusedError, RouterError
from model.evaluation import decisions_frame, evaluate, slices
from model.examples import read_examples
from model.gate import judge
from model.gate import promote as promote_judged
from model.matrix import load_matrix
from model.registry import Registry
from model.retraining import Retraining, retrain
from model.rules import load_rules
from service.corrections import CorrectionStore
from service.corrections_command import corrections_group
from service.label_command import label
from service.live import open_router, rules_router
from service.schemas import Instant, route_reply
from service.settings import Settings

REFUSED = 3  # exit code of `train` and `models promote` when the gate says no


class _Group(click.Group):
    """A group whose commands report our own errors in one line instead of a stack trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RouterError as error:
            _fail(str(error))


def _fail(message: str, code: int = 1) -> NoReturn:
    click.echo(f"issue-router: {message}", err=True)
    sys.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="issue-router")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to standard error.")
def main(verbose: bool) -> None:
    """Route issue descriptions to severity, owner, queue, deadlines and people to call.

    Exit codes: 0 done, 1 an error that is named, 2 wrong usage, 3 done in part or refused (each command says when).
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


main.add_command(label)
main.add_command(corrections_group)


@main.command()
@click.argument("text", required=False)
@click.option(
    "--file", "source", type=click.File("r", encoding="utf-8"), help="Read the text from a file; - for standard input."
)
@click.option("--region", help="Region whose support contacts to name.")
@click.option("--opened-at", help="When the ticket was opened, ISO 8601; now by default.")
def route(text: str | None, source: Any, region: str | None, opened_at: str | None) -> None:
    """Route one TEXT and print what POST /api/v1/route answers."""
    if (text is None) == (source is None):
        raise click.UsageError("give either TEXT or --file")
    try:
        written: str = source.read() if source else text or ""
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--file: not UTF-8: {error.reason} at byte {error.start}") from None
    if not written.strip():
        raise click.UsageError("the text is empty")
    opened = _instant(opened_at) if opened_at else datetime.now(UTC)
    routing = open_router(Settings.from_env()).route(written, region=region, opened_at=opened)
    click.echo(route_reply(routing).model_dump_json(indent=2))


def _instant(text: str) -> datetime:
    try:
        return TypeAdapter(Instant).validate_python(text)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.UsageError(f"--opened-at: {message}") from None


@main.command()
@click.option("--promote/--no-promote", default=True, help="Whether to serve the new version if the gate lets it.")
@click.option("--force", is_flag=True, help="Promote whatever the gate says; the manifest remembers its reasons.")
@click.option("--examples", type=click.Path(path_type=Path), help="Labelled examples; the setting's by default.")
def train(promote: bool, force: bool, examples: Path | None) -> None:
    """Train on examples and corrections, print honest scores, save a version and promote it.

    Exit code 3: the version is saved, but the gate refused to promote it.
    """
    done = _train(Settings.from_env(), promote=promote, force=force, examples=examples)
    if promote and not done.promoted:
        _fail(f"version {done.version} is saved but not promoted: " + "; ".join(done.verdict.reasons), REFUSED)


def _train(settings: Settings, *, promote: bool, force: bool, examples: Path | None) -> Retraining:
    matrix = load_matrix(settings.matrix)
    rules = load_rules(settings.rules, matrix)
    frame = read_examples(examples or settings.examples, matrix)
    with CorrectionStore(settings.database_url) as store:
        corrections = store.examples()
    click.echo(f"read {len(frame)} examples and {len(corrections)} corrections", err=True)
    done = retrain(
        Registry(settings.models_dir),
        matrix,
        rules,
        frame,
        corrections,
        now=datetime.now(UTC),
        promoting=promote,
        force=force,
        progress=lambda line: click.echo(line, err=True),
    )
    click.echo("out of group, on authors whom the model had not read:")
    _print_report(done.challenger.metrics)
    click.echo(f"version {done.version}{' now serves' if done.promoted else ' is saved'}")
    return done


def _print_report(report: dict[str, Any]) -> None:
    click.echo(f"{'':12}{'accuracy':>10}{'macro-F1':>10}{'ECE':>8}   recall of each class")
    for name in ("severity", "owner", "queue", "issue_type"):
        if part := report.get(name):
            error = part.get("expected_calibration_error")
            recalls = "  ".join(f"{k} {v:.2f}" for k, v in part["recall"].items())
            click.echo(
                f"{name:12}{part['accuracy']:10.4f}{part['macro_f1']:10.4f}"
                f"{'' if error is None else f'{error:.3f}':>8}   {recalls}"
            )
    names = {
        "p0_recall": "recall of the most severe class",
        "dangerous_misses": "of it called two or more steps too low",
        "coverage": "not sent to a person",
        "precision": "of those, severity right",
        "review_of_no_issue": "of texts without an issue, sent to a person",
        "review_of_issues": "of issues, sent to a person",
    }
    for key, name in names.items():
        if report.get(key) is not None:
            click.echo(f"{report[key]:8.4f}  {name}")


@main.command("evaluate")
@click.argument("path", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
@click.option("--rules-only", is_flag=True, help="Measure the keyword rules by themselves.")
@click.option("--by", metavar="COLUMN", help="Print the main figures for every value of a column too.")
def evaluate_command(path: Path, as_json: bool, rules_only: bool, by: str | None) -> None:
    """Measure the router on FILE.csv, with columns text, severity, owner, queue and maybe issue_type."""
    router = open_router(Settings.from_env()).with_precedents(None)
    if rules_only:
        router = router.without_model()
    truth = read_examples(path, router.matrix)
    if by is not None and by not in truth.columns:
        raise InputError("by", f"{path} has no column {by!r}; there are {', '.join(truth.columns)}")
    decided = decisions_frame(router.decide_many(truth["text"].tolist()))
    report = {"model_version": router.model_version, **evaluate(truth, decided, router.matrix)}
    parts = None if by is None else slices(truth, decided, by, router.matrix)
    if as_json:
        if parts is not None:
            report["slices"] = {by: json.loads(parts.to_json(orient="records"))}
        click.echo(json.dumps(report, indent=2))
    else:
        _print_report(report)
        if parts is not None:
            click.echo("\n" + parts.to_string(index=False, float_format="{:.3f}".format))


@main.group(cls=_Group)
def models() -> None:
    """List, show, promote, roll back and prune model versions."""


@models.command("list")
def list_models() -> None:
    """List the versions, oldest first; the one that serves has a star."""
    registry = _registry()
    champion = registry.champion()
    versions = registry.versions()
    if not versions:
        click.echo("there is no version yet; run: issue-router train", err=True)
    for version in versions:
        manifest = registry.manifest(version)
        metrics = manifest["metrics"]
        star = "*" if champion and champion.version == version else " "
        severity = metrics.get("severity", {}).get("accuracy")
        click.echo(
            f"{star} {version}  {manifest['created_at']}  severity {severity}  P0 recall {metrics.get('p0_recall')}"
        )


@models.command()
@click.argument("version")
def show(version: str) -> None:
    """Print the manifest of a VERSION."""
    click.echo(json.dumps(_registry().manifest(version), indent=2))


@models.command()
@click.argument("version")
@click.option("--force", is_flag=True, help="Promote whatever the gate says; the manifest remembers its reasons.")
def promote(version: str, force: bool) -> None:
    """Make VERSION the one that serves, if the gate lets it. Exit code 3: it does not."""
    settings = Settings.from_env()
    registry = Registry(settings.models_dir)
    matrix = load_matrix(settings.matrix)
    try:
        with CorrectionStore(settings.database_url) as store:
            corrections = store.examples()
        verdict = judge(registry, version, matrix, load_rules(settings.rules, matrix), corrections)
        promote_judged(registry, verdict, promoted_at=datetime.now(UTC), force=force)
    except PromotionRefusedError as error:
        _fail(str(error), REFUSED)
    click.echo(f"version {version} now serves")


@models.command()
def rollback() -> None:
    """Let the version serve that served before."""
    champion = _registry().rollback(promoted_at=datetime.now(UTC))
    click.echo(f"version {champion.version} serves again")


@models.command()
@click.option(
    "--keep", type=click.IntRange(min=1), default=5, show_default=True, help="How many of the newest to keep."
)
def prune(keep: int) -> None:
    """Delete old versions; the one that serves and the one before it always stay."""
    for version in _registry().prune(keep):
        click.echo(f"deleted {version}")


def _registry() -> Registry:
    return Registry(Settings.from_env().models_dir)


@main.command()
@click.option("--host", help="Address to listen on; the setting's by default.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; the setting's by default.")
@click.option("--workers", type=click.IntRange(min=1), help="Serving processes; the setting's by default.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the page and the API; train first if there is no model."""
    from service.server import run  # noqa: PLC0415 gunicorn is slow to import, and only this command needs it

    settings = Settings.from_env()
    rules_router(settings)  # a matrix that is not valid is said once, in one line, instead of by every process
    if Registry(settings.models_dir).champion() is None:
        click.echo("there is no model yet: training one, which takes about a minute", err=True)
        # In a process of its own: the server starts without the memory and the workers of a training.
        if subprocess.run([sys.executable, "-m", "service.cli", "train"], check=False).returncode:
            click.echo("there is still no model; the rules answer", err=True)
    run(settings.with_server(host=host, port=port, workers=workers))


if __name__ == "__main__":
    main()
