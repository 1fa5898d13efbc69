"""The fast vectors are those of scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.classifier import build_features
from model.text import clean
from model.vectors import FastVectorizer
from model.word_classes import learn_word_classes


@pytest.fixture(scope="module")
def both(examples):
    texts = [clean(text).text for text in examples["text"].sample(1500, random_state=2)]
    features = build_features(learn_word_classes(texts, sizes=(30, 120))).fit(texts)
    assert len(features.transformer_list) == 4
    return FastVectorizer(features), features


def test_features_without_word_classes_are_computed_too():
    features = build_features().fit(["Agent portal is down, agent said"] * 20)
    assert len(features.transformer_list) == 2
    same(FastVectorizer(features), features, ["Agent portal is down", "PRI PRI pri", ""])


def same(fast, stock, texts):
    ours, theirs = fast.transform(texts), stock.transform(texts)
    assert ours.shape == theirs.shape
    assert abs(ours - theirs).max() < 1e-6 if len(texts) else True


def test_real_texts_get_the_vectors_of_scikit_learn(both, examples):
    same(*both, [clean(text).text for text in examples["text"].sample(500, random_state=0)])


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_any_text_gets_the_vector_of_scikit_learn(both, texts):
    same(*both, texts)


def test_a_text_has_the_same_digits_alone_and_among_many(both, examples):
    fast, _ = both
    texts = [clean(text).text for text in examples["text"].head(200)]
    many = fast.transform(texts)
    for n in (0, 57, 199):
        alone = fast.transform(texts[n : n + 1])
        assert np.array_equal(many[n].indices, alone.indices)
        assert np.array_equal(many[n].data, alone.data)


def test_texts_without_a_known_word_have_empty_vectors(both):
    fast, _ = both
    assert fast.transform(["", "\u4e00\u4e01"]).sum() >= 0
    assert fast.transform([""]).nnz == 0
    assert fast.transform([]).shape[0] == 0
