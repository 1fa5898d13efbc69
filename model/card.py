"""The model card of a version: one page with tables and images, made from what the registry keeps (no texts)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from model.errors import RegistryError
from model.evaluation import LABELS, slices
from model.matrix import Matrix
from model.outcomes import decided_of, truth_of
from model.plots import plot_calibration, plot_confusion, plot_coverage
from model.registry import Registry

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem}img{max-width:100%}"
    "table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ccc}"
)


def write_card(registry: Registry, version: str, matrix: Matrix, folder: Path) -> Path:
    """Write the model card of a version, and its images beside it.

    Parameters
    ----------
    registry : Registry
    version : str
    matrix : Matrix
    folder : Path
        Where to write; made when it is not there.

    Returns
    -------
    Path
        The page, `index.html`.

    Raises
    ------
    RegistryError
        When there is no such version, or the folder cannot be written.
    ModelCorruptError
        When the version's out-of-group decisions cannot be read.
    """
    manifest, kept = registry.manifest(version), registry.out_of_group(version)
    truth, decided = truth_of(kept), decided_of(kept)
    said = {version: decided}
    images = {f"confusion-{label}.png": plot_confusion(truth, said, label) for label in LABELS}
    images |= {"coverage.png": plot_coverage(truth, said), "calibration.png": plot_calibration(truth, said)}
    page = folder / "index.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in images.items():
            figure.savefig(folder / name, dpi=120)
        page.write_text(_page(version, manifest, truth, decided, matrix), "utf-8")
    except OSError as error:
        raise RegistryError(f"{folder}: the model card cannot be written: {error.strerror or error}") from error
    return page


def _page(version: str, manifest: Mapping[str, Any], truth: pd.DataFrame, decided: pd.DataFrame, matrix: Matrix) -> str:
    data, metrics, worst = manifest["data"], manifest["metrics"], html.escape(matrix.severity_ids[0])
    parts = [
        f"<h1>Model {html.escape(version)}</h1>",
        f"<p>Trained {html.escape(manifest['created_at'])} on {data['texts']} texts, {data['corrections']} of them "
        "corrections. Every figure here is about texts by authors whom the model had not read.</p>",
        "<h2>Labels</h2>",
        _table(_label_table(metrics)),
        f"<p>{worst} recall {_percent(metrics['p0_recall'])}; {worst} called two or more steps too low: "
        f"{_percent(metrics['dangerous_misses'])}. Decided without a person: {_percent(metrics['coverage'])}, of which "
        f"{_percent(metrics['precision'])} have the right severity.</p>",
        "<h2>By language, author and length</h2>",
        *(_table(slices(truth, decided, by, matrix)) for by in ("language", "group", "length")),
        "<h2>What is taken for what</h2>",
        *(_image(f"confusion-{label}.png", f"Confusion matrix of {label}") for label in LABELS),
        "<h2>What a person is spared</h2>",
        "<p>Decisions are sorted by confidence: the surest part of the texts is this precise.</p>",
        _image("coverage.png", "Precision against coverage"),
        "<h2>What a confidence is worth</h2>",
        "<p>Of the decisions with confidence 0.8, eight of ten should be right.</p>",
        _image("calibration.png", "Accuracy against confidence"),
    ]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>Model {html.escape(version)}</title>"
    return f"{head}<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</html>\n"


def _label_table(metrics: Mapping[str, Any]) -> pd.DataFrame:
    columns = {"accuracy": "accuracy", "macro_f1": "macro-F1", "expected_calibration_error": "calibration error"}
    rows = [{"label": label, **{to: metrics[label].get(k) for k, to in columns.items()}} for label in LABELS]
    return pd.DataFrame(rows)


def _table(frame: pd.DataFrame) -> str:
    named = frame.replace({"": "unknown"}).rename(columns=lambda name: str(name).replace("_", " "))
    return str(named.to_html(index=False, border=0, na_rep="", float_format=lambda share: f"{share:.3f}"))


def _image(name: str, words: str) -> str:
    return f'<p><img src="{name}" alt="{words}"></p>'


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
