"""From examples and corrections to a version that serves."""

from datetime import timedelta

import pytest
from conftest import NOW

from model.errors import ExamplesError
from model.outcomes import decided_of, digests, truth_of
from model.registry import Registry
from model.retraining import retrain


@pytest.fixture(scope="module")
def first(tmp_path_factory, tiny_examples, matrix, rules):
    """A registry, and what came of the first training."""
    registry = Registry(tmp_path_factory.mktemp("first") / "models")
    return registry, retrain(registry, matrix, rules, tiny_examples, None, now=NOW)


def test_a_first_version_serves(first, matrix):
    registry, done = first
    assert done.promoted
    assert registry.load_champion(matrix).version == done.version


def test_the_manifest_says_what_it_was_trained_on_and_how_it_does(first, tiny_examples):
    registry, done = first
    manifest = registry.manifest(done.version)
    distinct = len(set(digests(tiny_examples["text"].tolist())))
    assert (manifest["data"]["texts"], manifest["data"]["corrections"]) == (distinct, 0)
    assert sum(manifest["data"]["labels"]["severity"].values()) == distinct
    assert manifest["metrics"]["severity"]["accuracy"] == done.challenger.metrics["severity"]["accuracy"]
    assert [row["language"] for row in manifest["metrics"]["slices"]["language"]] == ["", "en"]
    assert manifest["metrics"]["slices"]["length"][0]["length"] == "1 to 5 words"


def test_decisions_read_back_are_those_that_were_measured(first):
    registry, done = first
    kept = registry.out_of_group(done.version).reset_index()
    assert truth_of(kept).astype(str).equals(truth_of(done.challenger.out_of_group).astype(str))
    read, made = decided_of(kept), decided_of(done.challenger.out_of_group)
    assert read["needs_review"].tolist() == made["needs_review"].tolist()
    assert 0 < read["needs_review"].sum() < len(read)
    assert read["severity_confidence"].fillna(-1).tolist() == made["severity_confidence"].fillna(-1).tolist()


def test_a_worse_challenger_is_saved_but_does_not_serve(first, tiny_examples, matrix, rules):
    registry, done = first
    mislabelled = tiny_examples.copy()
    real = (mislabelled["language"] == "en").to_numpy().nonzero()[0]
    labels = ["severity", "owner", "queue", "issue_type", "impact"]
    mislabelled.iloc[real, [mislabelled.columns.get_loc(k) for k in labels]] = tiny_examples.iloc[real[::-1]][labels]
    worse = retrain(registry, matrix, rules, mislabelled, None, now=NOW + timedelta(hours=1))
    assert not worse.promoted
    assert worse.verdict.reasons
    assert registry.versions() == [done.version, worse.version]
    assert registry.champion().version == done.version


def test_too_little_to_train_on_is_an_error_with_a_name(tmp_path, tiny_examples, matrix, rules):
    one_author = tiny_examples.assign(group="one")
    with pytest.raises(ExamplesError, match="group"):
        retrain(Registry(tmp_path), matrix, rules, one_author, None, now=NOW)
    assert Registry(tmp_path).versions() == []
