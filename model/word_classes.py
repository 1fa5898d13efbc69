"""Classes of words that stand in like surroundings, learned from the texts without their labels.

A customer's word for a thing may be rare ("telecallers", "girls", "counsellors") though what is said of it is not.
Words that keep the same company are put in one class, and n-grams of classes stand beside the n-grams of words, so
that what was learned of one word helps with its kin. The recipe is that of count-based word vectors: positive pointwise
mutual information of words and the words around them, with context counts smoothed by the power 3/4 (Levy, Goldberg and
Dagan, 2015), reduced by a truncated singular value decomposition, and clustered by k-means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from model.spelling import Spelling

WORD = r"(?u)[\w\u0900-\u0dff]+"  # with the vowel signs of Indian scripts, which are no word characters to `re`
SIZES = (200, 1000)  # how many classes; coarse ones see kinds, fine ones near-synonyms
UNKNOWN = "-1"

_WINDOW = 3  # words to each side that count as surroundings
_SEEN = 4  # a word seen less often has no class
_FEWEST = 30  # words that have a class; with fewer there is nothing to learn
_DIMENSIONS = 60
_SMOOTHING = 0.75
_find_words = re.compile(WORD).findall

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WordClasses:
    """The class of each word, and the preprocessor of a vectorizer that counts n-grams of classes.

    Attributes
    ----------
    classes : mapping of str to int
        Class of each known word, in lower case.
    spelling : Spelling
        Finds the known word for a misspelled one.

    Examples
    --------
    >>> WordClasses({"agents": 3, "staff": 3, "idle": 7}, Spelling(("agents", "staff", "idle")))("Satff idle, why?")
    '3 7 -1'
    """

    classes: Mapping[str, int]
    spelling: Spelling

    @cached_property
    def _names(self) -> dict[str, str]:
        """The class of each known word as it is written."""
        return {word: str(number) for word, number in self.classes.items()}

    def name(self, word: str) -> str:
        """Return the class of a word in lower case, also of a misspelled one, as a text of classes names it."""
        name = self._names.get(word)
        if name is None:
            known = self.spelling.known(word)
            name = UNKNOWN if known is None else self._names[known]
        return name

    def __call__(self, text: str) -> str:
        """Return the classes of the words of a text."""
        return " ".join(map(self.name, _find_words(text.lower())))

    def __getstate__(self) -> dict[str, object]:
        return {"classes": self.classes, "spelling": self.spelling}  # what is derived is made again after loading


def learn_word_classes(texts: Sequence[str], sizes: Sequence[int] = SIZES) -> list[WordClasses]:
    """Learn classes of words from clean texts.

    Parameters
    ----------
    texts : sequence of str
    sizes : sequence of int
        How many classes to make, each at most half as many as there are words.

    Returns
    -------
    list of WordClasses
        One for each size, the smallest first; the same for the same texts. None where there are too few words.
    """
    words = [_find_words(text.lower()) for text in texts]
    counts = Counter(word for found in words for word in found)
    # the most frequent first; a tie goes by the alphabet, so that the order of the texts does not matter
    seen = sorted((-count, word) for word, count in counts.items() if count >= _SEEN)
    vocabulary = {word: n for n, (_, word) in enumerate(seen)}
    if len(vocabulary) < _FEWEST:
        return []
    spelling = Spelling(tuple(vocabulary))
    found = []
    with threadpool_limits(1):  # sums in another order give other classes; and these are small
        vectors = _word_vectors(surroundings(words, vocabulary))
        for size in sorted({min(size, len(vocabulary) // 2) for size in sizes}):
            clusters = MiniBatchKMeans(size, n_init=1, batch_size=2048, random_state=0).fit_predict(vectors)
            found.append(WordClasses(dict(zip(vocabulary, clusters.tolist(), strict=True)), spelling))
    return found


def surroundings(words: Sequence[Sequence[str]], vocabulary: Mapping[str, int]) -> sparse.csr_matrix:
    """Return how often each word has each other one before it, after it, or further off in the window.

    The direct neighbours are counted apart by side, since the side tells a noun from its adjective.

    Parameters
    ----------
    words : sequence of sequence of str
        The words of each text.
    vocabulary : mapping of str to int
        Index of each word that counts, from 0 to n_words - 1.

    Returns
    -------
    csr_matrix of shape (n_words, 3 * n_words)
        In three blocks: further off within the window, directly after, directly before.
    """
    size = len(vocabulary)
    # Texts are laid end to end with gaps as wide as the window; -1 is a gap or a word without a class.
    known_or_gap = (n for found in words for n in (*(vocabulary.get(word, -1) for word in found), *[-1] * _WINDOW))
    ids = np.fromiter(known_or_gap, dtype=np.int64)
    rows, columns = [], []
    for distance in range(1, _WINDOW + 1):
        left, right = ids[:-distance], ids[distance:]
        known = (left >= 0) & (right >= 0)
        left, right = left[known], right[known]
        rows += [left, right]
        columns += [right + size, left + 2 * size] if distance == 1 else [right, left]
    row, column = np.concatenate(rows), np.concatenate(columns)
    counted = sparse.coo_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=(size, 3 * size))
    return sparse.csr_matrix(counted)


def _word_vectors(counts: sparse.csr_matrix) -> Vectors:
    """Return a unit vector for each word, of shape (n_words, at most `_DIMENSIONS`)."""
    total = counts.sum()
    words = np.asarray(counts.sum(axis=1)).ravel()
    contexts = np.asarray(counts.sum(axis=0)).ravel() ** _SMOOTHING
    contexts *= total / contexts.sum()
    cells = counts.tocoo()
    information = np.log(np.maximum(cells.data * total / (words[cells.row] * contexts[cells.col]), 1.0))
    positive = sparse.csr_matrix((information, (cells.row, cells.col)), shape=counts.shape, dtype=np.float32)
    reduced = TruncatedSVD(min(_DIMENSIONS, counts.shape[0] - 1), random_state=0)
    reduced.fit(positive)
    # Dividing by the root of the singular values keeps the rare directions in play (Levy, Goldberg and Dagan, 2015).
    vectors: Vectors = normalize(reduced.transform(positive) / np.sqrt(np.maximum(reduced.singular_values_, 1e-6)))
    return vectors
