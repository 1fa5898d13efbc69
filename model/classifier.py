"""The TF-IDF + logistic-regression pipelines: build, probabilities, explanation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline

from model.spelling import Spelling
from model.text import CleanText
from model.vectors import FastVectorizer
from model.word_classes import WORD, WordClasses, learn_word_classes

Floats = npt.NDArray[np.float64]

_find_words = re.compile(WORD).findall
_CLASSES_SEEN = 8  # texts in which an n-gram of classes must stand
_CLASSES_WEIGHT = 0.6
HEADS = ("destination", "impact", "severity", "owner", "queue")


def build_features(word_classes: Sequence[WordClasses] = ()) -> FeatureUnion:
    """Return the unfitted features: TF-IDF of words, of characters within words, and of classes of words.

    Words carry the meaning; characters the misspelled and the romanised word; classes what was learned of a word's kin.

    Parameters
    ----------
    word_classes : sequence of WordClasses
        Classes to count n-grams of.
    """
    words = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), min_df=3, sublinear_tf=True, dtype=np.float32)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), min_df=10, sublinear_tf=True, dtype=np.float32)
    parts = [("words", words), ("characters", characters)]
    weights = {}
    for n, classes in enumerate(word_classes):
        counted = TfidfVectorizer(
            preprocessor=classes,
            token_pattern=r"\S+",
            ngram_range=(1, 3),
            min_df=_CLASSES_SEEN,
            sublinear_tf=True,
            dtype=np.float32,
        )
        parts.append((f"classes_{n}", counted))
        weights[f"classes_{n}"] = _CLASSES_WEIGHT
    return FeatureUnion(parts, transformer_weights=weights)


def build_head(*, inverse_regularisation: float = 100.0, tolerance: float = 10.0) -> OneVsRestClassifier:
    """Return an unfitted head: one logistic regression for each value of a label, against the rest.

    In the mixture of heads one against the rest is more accurate than one multinomial regression, and quicker to fit;
    its weights are log-odds of a value, which is what evidence shows. The tolerance is loose because more steps of the
    solver take half more time and gain little on unread authors (see benchmarks/README.md for both).
    """
    return OneVsRestClassifier(
        LogisticRegression(C=inverse_regularisation, solver="liblinear", dual=True, tol=tolerance, random_state=0)
    )


@dataclass(frozen=True)
class Classifier:
    """Fitted features, shared by one logistic regression for each head.

    Attributes
    ----------
    features : FeatureUnion
        Fitted TF-IDF vectorizers.
    heads : mapping of str to OneVsRestClassifier
        Fitted heads by name.
    """

    features: FeatureUnion
    heads: Mapping[str, OneVsRestClassifier]

    @classmethod
    def fit(cls, texts: Sequence[CleanText], targets: Mapping[str, Sequence[str]]) -> Classifier:
        """Fit features and heads.

        Parameters
        ----------
        texts : sequence of CleanText, length n_texts
        targets : mapping of str to sequence of str
            For every head the label of each text; an empty one leaves the text out of that head.

        Returns
        -------
        Classifier
        """
        strings = [t.text for t in texts]
        features = build_features(learn_word_classes(strings))
        matrix = sparse.csr_matrix(features.fit_transform(strings))
        heads = {}
        for name, labels in targets.items():
            known = np.array([bool(label) for label in labels])
            heads[name] = build_head().fit(matrix[known], np.asarray(labels, dtype=object)[known].astype(str))
            for estimator in heads[name].estimators_:
                estimator.coef_ = estimator.coef_.astype(np.float32)  # halves the artefact; the digits lost are noise
        return cls(features, heads)

    @property
    def pipelines(self) -> dict[str, Pipeline]:
        """The same model as one stock pipeline a head, each taking a list of clean strings."""
        return {name: Pipeline([("features", self.features), ("head", head)]) for name, head in self.heads.items()}

    def classes(self, head: str) -> list[str]:
        """Return the classes of a head, in the order of its columns."""
        return [str(c) for c in self.heads[head].classes_]

    def vectors(self, texts: Sequence[CleanText]) -> sparse.csr_matrix:
        """Return the TF-IDF vectors, of shape (n_texts, n_features)."""
        return self._vectorizer.transform([t.text for t in texts])

    def known_words(self, texts: Sequence[CleanText]) -> tuple[Floats, Floats]:
        """Return how many distinct words of each text the model knows, and their share of all its distinct words.

        A misspelled word is known where it is one slip away from a known one.

        Parameters
        ----------
        texts : sequence of CleanText, length n_texts

        Returns
        -------
        known : ndarray of shape (n_texts,)
        share : ndarray of shape (n_texts,)
            In 0..1; 0 for a text without words.
        """
        words = [set(_find_words(text.text.lower())) for text in texts]
        known = np.array([sum(map(self._knows, found)) for found in words], dtype=float)
        return known, known / np.maximum([len(found) for found in words], 1)

    def probabilities(self, vectors: sparse.csr_matrix) -> dict[str, Floats]:
        """Return for every head the class probabilities.

        All heads are one product with the stacked coefficients: the vectors are read once.

        Parameters
        ----------
        vectors : csr_matrix of shape (n_texts, n_features)

        Returns
        -------
        dict of str to ndarray of shape (n_texts, n_classes)
        """
        sure = _sigmoid((vectors @ self._stacked[0]).astype(np.float64) + self._stacked[1])
        found: dict[str, Floats] = {}
        for name, columns in self._columns.items():
            each = sure[:, columns]
            found[name] = np.hstack([1.0 - each, each]) if each.shape[1] == 1 else _shares(each)
        return found

    def contributions(self, vectors: sparse.csr_matrix, head: str, label: str) -> Floats:
        """Return what each feature of one text adds to the log-odds of a label.

        Parameters
        ----------
        vectors : csr_matrix of shape (1, n_features)
        head, label : str
            The head and one of its classes.

        Returns
        -------
        ndarray of shape (n_nonzero,)
            In the order of `vectors.indices`.
        """
        columns = self._columns[head]
        place = self.classes(head).index(label)
        if columns.stop - columns.start == 1:  # two values share one regression, which speaks for the second
            column, sign = columns.start, 1.0 if place else -1.0
        else:
            column, sign = columns.start + place, 1.0
        result: Floats = sign * self._stacked[0][vectors.indices, column] * vectors.data
        return result

    @cached_property
    def _vectorizer(self) -> FastVectorizer:
        return FastVectorizer(self.features)

    def _knows(self, word: str) -> bool:
        return word in self._vocabulary or (self._spelling is not None and self._spelling.known(word) is not None)

    @cached_property
    def _spelling(self) -> Spelling | None:
        """What mends misspelled words, the same for all classes of words; `None` where too few words are known."""
        classes: list[WordClasses] = [vectorizer.preprocessor for _, vectorizer in self.features.transformer_list[2:]]
        return classes[0].spelling if classes else None

    @cached_property
    def _vocabulary(self) -> Mapping[str, int]:
        vectorizer: TfidfVectorizer = self.features.transformer_list[0][1]
        vocabulary: Mapping[str, int] = vectorizer.vocabulary_
        return vocabulary

    @cached_property
    def _columns(self) -> dict[str, slice]:
        columns, at = {}, 0
        for name, head in self.heads.items():
            columns[name] = slice(at, at + len(head.estimators_))
            at += len(head.estimators_)
        return columns

    @cached_property
    def _stacked(self) -> tuple[npt.NDArray[np.float32], Floats]:
        fitted = [estimator for head in self.heads.values() for estimator in head.estimators_]
        weights = np.ascontiguousarray(np.vstack([estimator.coef_ for estimator in fitted]).T, dtype=np.float32)
        for column, estimator in enumerate(fitted):
            estimator.coef_ = weights[None, :, column]  # a view: the weights are most of the model, and held once
        return weights, np.concatenate([estimator.intercept_ for estimator in fitted])

    def __getstate__(self) -> dict[str, object]:
        return {"features": self.features, "heads": self.heads}  # the stacked copy is made again after loading


def _sigmoid(scores: Floats) -> Floats:
    result: Floats = 1.0 / (1.0 + np.exp(-scores))
    return result


def _shares(each: Floats) -> Floats:
    result: Floats = each / np.maximum(each.sum(axis=1, keepdims=True), 1e-300)
    return result
