"""The retraining notebook: thin, without outputs in git, and it runs from top to bottom."""

import ast
import os
from pathlib import Path

import nbformat
import papermill
import pytest
from conftest import NOW
from nbconvert import HTMLExporter

from model.gate import LEAST_LATEST
from model.gathering import HELD_BACK
from model.registry import Registry
from service.corrections import CorrectionStore
from service.corrections.correction import NewCorrection
from service.corrections.labelling import NamedLabels

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "retrain.ipynb"
LABELS = ("severity", "owner", "queue", "issue_type")


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


class TestStructure:
    def test_it_defines_nothing(self, notebook):
        source = "\n".join(c.source.replace("%matplotlib inline", "") for c in code_of(notebook))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)] == []

    def test_no_output_is_in_git(self, notebook):
        assert [c.id for c in code_of(notebook) if c.outputs or c.execution_count is not None] == []

    def test_its_parameters_change_nothing_unless_given(self):
        known = papermill.inspect_notebook(str(NOTEBOOK))
        defaults = {name: ast.literal_eval(p["default"]) for name, p in known.items()}
        assert defaults == {"examples": "", "corrections_url": "", "state_dir": "", "promote": False, "force": False}

    def test_every_cell_of_code_is_short(self, notebook):
        assert max(len(c.source.splitlines()) for c in code_of(notebook)) <= 30


@pytest.fixture
def correct_many(examples, tiny_examples):
    """Records enough corrections of real texts, which the tiny model has not read, for some to be held back."""

    def correct_many(url, matrix):
        texts = examples[(examples["language"] == "en") & ~examples["text"].isin(tiny_examples["text"])]
        rows = texts.drop_duplicates("text").sample(int(LEAST_LATEST / HELD_BACK), random_state=2).to_dict("records")
        with CorrectionStore(url) as store:
            for row in rows:
                labels = NamedLabels(**{label: row[label] for label in LABELS})
                store.record(NewCorrection(labels, text=row["text"], who="Asha"), matrix)

    return correct_many


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the kernel's and the exporter's libraries
def test_it_runs_without_a_screen_and_ends_in_a_page(
    tmp_path, monkeypatch, tiny, tiny_examples, tiny_kept, matrix, correct_many
):
    monkeypatch.chdir(NOTEBOOK.parent.parent)
    for name in [name for name in os.environ if name.startswith("ISSUE_ROUTER_")]:
        monkeypatch.delenv(name)
    registry = Registry(tmp_path / "state" / "models")
    old = registry.save(tiny.model, created_at=NOW, data={}, metrics={}, out_of_group=tiny_kept)
    registry.promote(old, promoted_at=NOW)
    tiny_examples.to_csv(tmp_path / "examples.csv", index=False)
    url = f"sqlite:///{tmp_path / 'corrections.sqlite3'}"
    correct_many(url, matrix)
    parameters = {
        "examples": str(tmp_path / "examples.csv"),
        "corrections_url": url,
        "state_dir": str(tmp_path / "state"),
        "promote": True,
        "force": True,
    }
    done = papermill.execute_notebook(
        str(NOTEBOOK), str(tmp_path / "done.ipynb"), parameters, kernel_name="python3", progress_bar=False
    )
    new = registry.champion()
    assert (new.previous, registry.versions()) == ((old,), [old, new.version])
    data = registry.manifest(new.version)["data"]
    assert (data["corrections"], data["corrections_held_back"]) == (100 - LEAST_LATEST, LEAST_LATEST)

    page, _ = HTMLExporter(exclude_input=True).from_notebook_node(done)
    assert f"Serving now: <strong>{new.version}</strong>" in page
    assert f"{LEAST_LATEST} latest corrections, which neither had read" in page
    assert page.count("data:image/png") >= 13  # counts; for both comparisons four confusions, calibration, coverage
    assert "Traceback" not in page


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the kernel's and the exporter's libraries
def test_a_promotion_that_was_asked_for_and_refused_is_an_error_on_a_whole_page(
    tmp_path, monkeypatch, tiny, tiny_examples, tiny_kept
):
    monkeypatch.chdir(NOTEBOOK.parent.parent)
    registry = Registry(tmp_path / "state" / "models")
    old = registry.save(tiny.model, created_at=NOW, data={}, metrics={}, out_of_group=tiny_kept)
    registry.promote(old, promoted_at=NOW)
    few = tiny_examples[~tiny_examples["group"].str.startswith("matrix")]  # what has read less is worse
    few.to_csv(tmp_path / "examples.csv", index=False)
    parameters = {"examples": str(tmp_path / "examples.csv"), "state_dir": str(tmp_path / "state"), "promote": True}
    with pytest.raises(papermill.exceptions.PapermillExecutionError, match="PromotionRefusedError"):
        papermill.execute_notebook(
            str(NOTEBOOK), str(tmp_path / "done.ipynb"), parameters, kernel_name="python3", progress_bar=False
        )
    assert registry.champion().version == old
    assert "must not be promoted" in str(nbformat.read(tmp_path / "done.ipynb", as_version=4))
