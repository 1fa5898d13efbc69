"""The TF-IDF vectors of fitted scikit-learn vectorizers, computed faster.

Tickets repeat their words. The character n-grams of a word are the same wherever it stands, so they are looked up
once and remembered; and a whole chunk of texts is counted in one go. The numbers are those of
`FeatureUnion.transform`, up to the last bits of single precision, and a text has the same ones alone and in a chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from model.word_classes import UNKNOWN, WordClasses

_LONGEST = 40  # letters of a word that is worth remembering
_SHIFT = 1 - UNKNOWN  # makes every class a digit from 1 on
_REMEMBERED = 200_000  # words; then all are forgotten, which bounds the memory of a long-lived process

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class FastVectorizer:
    """Computes the vectors of a fitted union of a word, a `char_wb`, and any number of word-class vectorizers.

    Parameters
    ----------
    features : FeatureUnion
        As `classifier.build_features` makes it: the transformers `words` and `characters`, then those of word classes;
        all with sublinear term frequency, inverse document frequency and L2 norm.
    """

    def __init__(self, features: FeatureUnion) -> None:
        (_, words), (_, characters), *classes = features.transformer_list
        self._find_words = re.compile(words.token_pattern).findall
        self._word_ids: dict[str, int] = words.vocabulary_
        self._pairs = words.ngram_range[1] > 1
        self._character_ids: dict[str, int] = characters.vocabulary_
        self._sizes = range(characters.ngram_range[0], characters.ngram_range[1] + 1)
        self._classes = [_ClassNgrams(vectorizer) for _, vectorizer in classes]
        weights = features.transformer_weights or {}
        self._parts = [(_idf(vectorizer), weights.get(name, 1.0)) for name, vectorizer in features.transformer_list]
        self._known: dict[str, list[int]] = {}

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return the vectors of some clean texts, of shape (n_texts, n_features)."""
        lowered = [text.lower() for text in texts]
        words = [self._find_words(text) for text in lowered]
        found = [
            [self._words(each) for each in words],
            [self._characters(text) for text in lowered],
            *([ngrams(each) for each in words] for ngrams in self._classes),
        ]
        blocks = [_weigh(ids, *part) for ids, part in zip(found, self._parts, strict=True)]
        return sparse.csr_matrix(sparse.hstack(blocks, format="csr"))

    def _words(self, words: list[str]) -> list[int]:
        find = self._word_ids.get
        found: Iterable[int | None] = map(find, words)
        if self._pairs:
            found = [*found, *(find(f"{one} {next_}") for one, next_ in pairwise(words))]
        return [n for n in found if n is not None]

    def _characters(self, text: str) -> list[int]:
        known = self._known
        found: list[int] = []
        for word in text.split():
            ids = known.get(word)
            if ids is None:
                if len(known) >= _REMEMBERED:
                    known.clear()
                ids = self._ngrams(f" {word} ")
                if len(word) <= _LONGEST:
                    known[word] = ids
            found += ids
        return found

    def _ngrams(self, padded: str) -> list[int]:
        """Return the ids of the n-grams of one padded word, as `char_wb` counts them: a short word once, whole."""
        find = self._character_ids.get
        found: list[int | None] = []
        for size in self._sizes:
            found += [find(padded[k : k + size]) for k in range(max(len(padded) - size, 0) + 1)]
            if len(padded) <= size:
                break
        return [n for n in found if n is not None]


class _ClassNgrams:
    """Finds the ids of the n-grams of word classes, up to three long, without writing them as text.

    An n-gram is looked up by one number: its classes, shifted so that the unknown one is 1, are the digits.
    """

    def __init__(self, vectorizer: TfidfVectorizer) -> None:
        classes: WordClasses = vectorizer.preprocessor
        if vectorizer.ngram_range != (1, 3):
            raise ValueError(f"n-grams of word classes are one to three long, not {vectorizer.ngram_range}")
        self._class_of = classes.of
        self._base = max(classes.classes.values(), default=UNKNOWN) + _SHIFT + 1
        self._ids = {
            self._number([int(n) + _SHIFT for n in ngram.split()]): k for ngram, k in vectorizer.vocabulary_.items()
        }

    def _number(self, digits: Iterable[int]) -> int:
        number = 0
        for digit in digits:
            number = number * self._base + digit
        return number

    def __call__(self, words: Sequence[str]) -> list[int]:
        """Return the ids of the known n-grams of the words of one text."""
        find, base = self._ids.get, self._base
        ones = [self._class_of(word) + _SHIFT for word in words]
        twos = [one * base + next_ for one, next_ in pairwise(ones)]
        threes = [two * base + next_ for two, next_ in zip(twos, ones[2:], strict=False)]
        return [n for n in map(find, (*ones, *twos, *threes)) if n is not None]


def _idf(vectorizer: TfidfVectorizer) -> Floats:
    weights: Floats = vectorizer.idf_.astype(np.float64)
    return weights


def _weigh(found: list[list[int]], idf: Floats, weight: float) -> sparse.csr_matrix:
    """Return (1 + log tf) idf for every text, divided by its Euclidean norm, times a weight."""
    lengths = [len(ids) for ids in found]
    rows = np.repeat(np.arange(len(found), dtype=np.int64), lengths)
    columns = np.fromiter((n for ids in found for n in ids), dtype=np.int64, count=sum(lengths))
    cells, counts = np.unique(rows * len(idf) + columns, return_counts=True)
    rows, columns = np.divmod(cells, len(idf))
    values = (1.0 + np.log(counts)) * idf[columns]
    norms = np.sqrt(np.bincount(rows, values * values, minlength=len(found)))
    values *= weight / norms[rows]
    values = values.astype(np.float32)  # as the weights of the heads are: half the memory, and twice the speed
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(found)))])
    return sparse.csr_matrix((values, columns, ends), shape=(len(found), len(idf)))
