"""The TF-IDF vectors of fitted scikit-learn vectorizers, computed faster.

Tickets repeat their words: what is known of a word is looked up once for a whole chunk of texts, and the rest is done
with arrays. The numbers are those of `FeatureUnion.transform`, up to the last bits of single precision, and a text has
the same ones alone and in a chunk.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

_LONGEST = 40  # letters of a word that is worth remembering
_REMEMBERED = 50_000  # words; then all are forgotten, which bounds the memory of a long-lived process
_NONE = -1  # in place of a column

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Tokens(NamedTuple):
    """The words of a chunk of texts, laid end to end.

    Attributes
    ----------
    distinct : list of str
        Every word once.
    which : ndarray of int, shape (n_tokens,)
        The place of each word in `distinct`.
    text : ndarray of int, shape (n_tokens,)
        Which text it stands in, ascending.
    """

    distinct: list[str]
    which: Indices
    text: Indices


def tokens_of(words: Sequence[Sequence[str]]) -> Tokens:
    """Lay the words of some texts end to end."""
    places: defaultdict[str, int] = defaultdict(count().__next__)
    lengths = [len(found) for found in words]
    which = np.fromiter(map(places.__getitem__, chain.from_iterable(words)), dtype=np.int64, count=sum(lengths))
    return Tokens(list(places), which, np.repeat(np.arange(len(words), dtype=np.int64), lengths))


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
        self._ngrams = [
            _Ngrams(words, str),
            *(_Ngrams(vectorizer, vectorizer.preprocessor.name) for _, vectorizer in classes),
        ]
        self._characters = _Characters(characters)
        weights = features.transformer_weights or {}
        self._weights = [(_idf(vectorizer), weights.get(name, 1.0)) for name, vectorizer in features.transformer_list]

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return the vectors of some clean texts, of shape (n_texts, n_features)."""
        lowered = [text.lower() for text in texts]
        tokens = tokens_of([self._find_words(text) for text in lowered])
        words, *classes = (ngrams.count(tokens, len(texts)) for ngrams in self._ngrams)
        counts = [words, self._characters.count(lowered), *classes]
        blocks = [_weigh(each, *weights) for each, weights in zip(counts, self._weights, strict=True)]
        return sparse.csr_matrix(sparse.hstack(blocks, format="csr"))


class _Ngrams:
    """Counts the n-grams of the words of texts, or of what stands for a word.

    An n-gram is found by the column of its beginning and that of its last word: a text that has it has both of them
    too, so they are in every vocabulary that is pruned by the number of texts.
    """

    def __init__(self, vectorizer: TfidfVectorizer, name: Callable[[str], str]) -> None:
        vocabulary: dict[str, int] = vectorizer.vocabulary_
        self._name = name
        self._size = len(vocabulary)
        self._ones: dict[str, int] = {}
        longer: list[dict[int, int]] = [{} for _ in range(1, vectorizer.ngram_range[1])]
        for ngram, column in vocabulary.items():
            beginning, _, last = ngram.rpartition(" ")
            if beginning:
                longer[ngram.count(" ") - 1][vocabulary[beginning] * self._size + vocabulary[last]] = column
            else:
                self._ones[ngram] = column
        self._longer = [_Lookup(columns) for columns in longer]

    def count(self, tokens: Tokens, n_texts: int) -> sparse.csr_matrix:
        """Return how often each n-gram stands in each text."""
        ones = (self._ones.get(self._name(word), _NONE) for word in tokens.distinct)
        words = np.fromiter(ones, dtype=np.int64, count=len(tokens.distinct))[tokens.which]
        found, columns = [words], words
        for length, lookup in enumerate(self._longer, start=1):
            beginning, last = columns[:-1], words[length:]
            whole = (beginning >= 0) & (last >= 0) & (tokens.text[:-length] == tokens.text[length:])
            columns = np.full(len(whole), _NONE)
            columns[whole] = lookup(beginning[whole] * self._size + last[whole])
            found.append(columns)
        cells = np.concatenate([tokens.text[: len(each)][each >= 0] * self._size + each[each >= 0] for each in found])
        return _count(cells, (n_texts, self._size))


class _Lookup:
    """A mapping of numbers that is asked for many at once."""

    def __init__(self, values: dict[int, int]) -> None:
        keys = np.fromiter(values.keys(), dtype=np.int64, count=len(values))
        order = np.argsort(keys)
        # One more key, above all that are asked for, so that every search ends at a key.
        self._keys = np.append(keys[order], np.iinfo(np.int64).max)
        self._values = np.append(np.fromiter(values.values(), dtype=np.int64, count=len(values))[order], _NONE)

    def __call__(self, keys: Indices) -> Indices:
        """Return the values of some keys, `_NONE` where there is none."""
        places = np.searchsorted(self._keys, keys)
        found: Indices = np.where(self._keys[places] == keys, self._values[places], _NONE)
        return found


class _Characters:
    """Counts the n-grams of characters as `char_wb` does: of each word with a blank to either side."""

    def __init__(self, vectorizer: TfidfVectorizer) -> None:
        self._vocabulary: dict[str, int] = vectorizer.vocabulary_
        self._sizes = range(vectorizer.ngram_range[0], vectorizer.ngram_range[1] + 1)
        self._known: dict[str, list[int]] = {}

    def count(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return how often each n-gram stands in each text in lower case."""
        tokens = tokens_of([text.split() for text in texts])
        columns = [self._columns(word) for word in tokens.distinct]
        ends = np.cumsum([0, *map(len, columns)])
        flat = np.fromiter(chain.from_iterable(columns), dtype=np.int64, count=ends[-1])
        ngrams = sparse.csr_matrix((np.ones(len(flat)), flat, ends), shape=(len(columns), len(self._vocabulary)))
        ends = np.searchsorted(tokens.text, np.arange(len(texts) + 1))
        words = sparse.csr_matrix((np.ones(len(tokens.which)), tokens.which, ends), shape=(len(texts), len(columns)))
        counts = sparse.csr_matrix(words @ ngrams)
        counts.sort_indices()
        return counts

    def _columns(self, word: str) -> list[int]:
        columns = self._known.get(word)
        if columns is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = map(self._vocabulary.get, self._ngrams(f" {word} "))
            columns = [column for column in found if column is not None]
            if len(word) <= _LONGEST:
                self._known[word] = columns
        return columns

    def _ngrams(self, padded: str) -> Iterator[str]:
        """Yield the n-grams of a padded word; a short word comes once, whole."""
        for size in self._sizes:
            yield from (padded[k : k + size] for k in range(max(len(padded) - size, 0) + 1))
            if len(padded) <= size:
                break


def _idf(vectorizer: TfidfVectorizer) -> Floats:
    weights: Floats = vectorizer.idf_.astype(np.float64)
    return weights


def _count(cells: Indices, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Return how often each cell is named; cells are numbered row by row."""
    cells, counts = np.unique(cells, return_counts=True)
    rows, columns = np.divmod(cells, shape[1])
    ends = np.searchsorted(rows, np.arange(shape[0] + 1))
    return sparse.csr_matrix((counts, columns, ends), shape=shape)


def _weigh(counts: sparse.csr_matrix, idf: Floats, weight: float) -> sparse.csr_matrix:
    """Return (1 + log tf) idf for every text, divided by its Euclidean norm, times a weight."""
    values = (1.0 + np.log(counts.data)) * idf[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    norms = np.sqrt(np.bincount(rows, values * values, minlength=counts.shape[0]))
    values *= weight / norms[rows]
    values = values.astype(np.float32)  # as the weights of the heads are: half the memory, and twice the speed
    return sparse.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)
