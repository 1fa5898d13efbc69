"""All heads in one product give the digits of the stock pipelines."""

import pickle

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from model.classifier import HEADS, Classifier
from model.text import clean

TEXTS = ["Agent portal is down", "PRI is flapping, only one agent", "wrong greeting on the IVR", "report?", ""]


@pytest.fixture(scope="module")
def classifier(tiny):
    return tiny.model.classifier


def test_one_product_equals_the_stock_pipelines(classifier, tiny_examples):
    texts = [clean(text) for text in [*TEXTS, *tiny_examples["text"]]]
    found = classifier.probabilities(classifier.vectors(texts))
    assert set(found) >= set(HEADS)
    for head, pipeline in classifier.pipelines.items():
        assert isinstance(pipeline, Pipeline)
        expected = pipeline.predict_proba([text.text for text in texts])
        np.testing.assert_allclose(found[head], expected, atol=1e-6)
        assert classifier.classes(head) == pipeline.classes_.tolist()


def test_probabilities_are_probabilities(classifier):
    for found in classifier.probabilities(classifier.vectors([clean(t) for t in TEXTS])).values():
        assert found.min() >= 0
        np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_row_has_the_same_digits_alone_and_among_many(classifier, tiny_examples):
    texts = [clean(text) for text in tiny_examples["text"]]
    many = classifier.probabilities(classifier.vectors(texts))
    for n in (0, 50, 99):
        alone = classifier.probabilities(classifier.vectors([texts[n]]))
        for head in HEADS:
            assert np.array_equal(many[head][n], alone[head][0])


def test_fitting_twice_gives_the_same_model(tiny_examples, classifier):
    texts = [clean(text) for text in tiny_examples["text"]]
    targets = {label: tiny_examples[label].tolist() for label in ("severity", "owner")}
    first, second = (Classifier.fit(texts, targets) for _ in range(2))
    vectors = first.vectors(texts)
    for head in targets:
        assert np.array_equal(first.probabilities(vectors)[head], second.probabilities(vectors)[head])


def test_texts_without_a_label_are_left_out_of_that_head(tiny_examples):
    texts = [clean(text) for text in tiny_examples["text"]]
    labels = tiny_examples["severity"].where(tiny_examples["severity"] != "P1", "").tolist()
    fitted = Classifier.fit(texts, {"severity": labels})
    assert fitted.classes("severity") == ["P0", "P2", "P3"]


def test_contributions_sum_to_the_change_of_the_score(classifier):
    """The contributions, and nothing else of the text, tell a text's score from an empty text's."""
    vectors, empty = (classifier.vectors([clean(t)]) for t in ("agent portal is down", ""))
    head = "owner"  # two values: one regression, whose score is the log-odds

    def log_odds(v):
        p = classifier.probabilities(v)[head][0]
        return np.log(p[1] / p[0])

    label = classifier.classes(head)[1]
    total = classifier.contributions(vectors, head, label).sum()
    assert total == pytest.approx(log_odds(vectors) - log_odds(empty), abs=1e-6)
    assert classifier.contributions(vectors, head, classifier.classes(head)[0]).sum() == pytest.approx(-total)


def test_known_words(classifier):
    known, share = classifier.known_words([clean(t) for t in ("portal down", "portal xyzzyq", "xyzzyq qwfpgj", "")])
    assert known.tolist() == [2, 1, 0, 0]
    assert share.tolist() == [1, 0.5, 0, 0]


def test_a_model_survives_being_kept(classifier):
    vectors = classifier.vectors([clean(t) for t in TEXTS])
    again = pickle.loads(pickle.dumps(classifier))
    for head, found in classifier.probabilities(vectors).items():
        assert np.array_equal(found, again.probabilities(vectors)[head])
