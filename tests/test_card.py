"""The model card: a page with tables and images, and not one ticket text."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import NOW

import model.inspection
import model.plots
from model.card import write_card
from model.errors import RegistryError
from model.outcomes import decided_of, truth_of
from model.plots import plot_counts
from model.retraining import measure
from service.report import report

IMAGES = {"calibration.png", "coverage.png"} | {
    f"confusion-{label}.png" for label in ("severity", "owner", "queue", "issue_type")
}


@pytest.fixture
def version(registry, tiny, tiny_kept, matrix):
    data = {"texts": len(tiny_kept), "corrections": 0}
    metrics = measure(tiny_kept, matrix)
    return registry.save(tiny.model, created_at=NOW, data=data, metrics=metrics, out_of_group=tiny_kept)


def test_the_page_shows_every_image_and_slice_and_no_text(registry, version, matrix, tiny_examples, tmp_path):
    page = write_card(registry, version, matrix, tmp_path / "report").read_text("utf-8")
    assert {path.name for path in (tmp_path / "report").glob("*.png")} == IMAGES
    assert all(f'src="{image}"' in page for image in IMAGES)
    for group in {*tiny_examples["group"]}:
        assert f"<td>{group}</td>" in page
    assert page.index("1 to 5 words") < page.index("6 to 15 words")
    assert not [text for text in tiny_examples["text"] if text in page]


def test_the_command_reports_on_the_champion(registry, version, monkeypatch):
    monkeypatch.setenv("ISSUE_ROUTER_STATE_DIR", str(registry.folder.parent))
    none = CliRunner().invoke(report)
    assert (none.exit_code, none.output.strip()) == (1, "Error: there is no model yet; run: issue-router train")
    registry.promote(version, promoted_at=NOW)
    done = CliRunner().invoke(report)
    assert done.exit_code == 0, done.output
    assert Path(done.output.strip()) == registry.folder.parent / "report" / "index.html"


def test_a_folder_that_cannot_be_made_is_an_error_with_a_name(registry, version, matrix, tmp_path):
    (tmp_path / "report").write_text("a file", "utf-8")
    with pytest.raises(RegistryError, match="report"):
        write_card(registry, version, matrix, tmp_path / "report")


def test_bars_are_as_long_as_the_counts():
    figure = plot_counts(pd.DataFrame({"P0": [1, 2], "P1": [3, 0]}, index=["a", ""]))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1, 2, 3, 0]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "unknown"]


def test_confusion_counts_every_known_text(tiny_kept):
    truth, decided = truth_of(tiny_kept), decided_of(tiny_kept)
    figure = model.plots.plot_confusion(truth, {"one": decided, "other": decided}, "severity")
    for axes in figure.axes:
        assert sum(int(text.get_text()) for text in axes.texts) == len(tiny_kept)


@pytest.mark.parametrize(
    ("module", "missing"), [(model.plots, "matplotlib.axes"), (model.inspection, "cleanlab.filter")]
)
def test_without_the_extra_the_error_says_what_to_install(module, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    spec = importlib.util.spec_from_file_location("again", module.__file__)
    with pytest.raises(ModuleNotFoundError, match=r"issue-router\[notebook\]"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
