"""Which words moved a decision, and where they stand in the text that the customer sent."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from model.classifier import Classifier
from model.composition import destination
from model.decision import Decision, Evidence
from model.matrix import Matrix
from model.text import CleanText
from model.word_classes import WORD, WordClasses

_STRONGEST = 6
_WORD = re.compile(WORD)
_CHUNK = re.compile(r"\S+")  # what `char_wb` takes for a word

Span = tuple[int, int]


def find_evidence(
    classifier: Classifier, text: CleanText, vector: sparse.csr_matrix, decision: Decision, matrix: Matrix
) -> tuple[Evidence, ...]:
    """Return the words that speak most for the issue type and the severity of a decision.

    The contribution of every n-gram is shared among the words that it spans, so that a reader sees words instead of
    fragments. Where the severity is not the row's own, its words are those that speak, in the head of all impacts, for
    the impact that changed it.

    Parameters
    ----------
    classifier : Classifier
    text : CleanText
    vector : csr_matrix of shape (1, n_features)
        The text's vector.
    decision : Decision
        The model's decision; its issue type and impact are looked up.
    matrix : Matrix
        Names the destination of the decision.

    Returns
    -------
    tuple of Evidence
        Strongest first, at most six.
    """
    labels = decision.labels
    spans = _feature_spans(classifier, text.text)
    lowered = labels.severity != matrix.row_severity(labels.issue_type)
    found: list[Evidence] = []
    for head, wanted, label in (
        ("destination", _destination(decision, matrix), labels.issue_type),
        ("impact", decision.impact or "", labels.severity)
        if lowered
        else ("severity", labels.severity, labels.severity),
    ):
        if wanted in classifier.classes(head):
            weights = _word_weights(classifier, vector, head, wanted, spans)
            found += [_evidence(text, span, label, weight) for span, weight in weights.items() if weight > 0]
    found.sort(key=lambda e: (-e.weight, e.start))
    return tuple(found[:_STRONGEST])


def _destination(decision: Decision, matrix: Matrix) -> str:
    labels = decision.labels
    return destination(matrix, labels.issue_type, labels.owner, labels.queue, decision.impact or "")


def _feature_spans(classifier: Classifier, text: str) -> dict[int, list[list[Span]]]:
    """Return for every feature index where it occurs: a list of occurrences, each the words that it spans."""
    found: dict[int, list[list[Span]]] = {}
    offset = 0
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = text
    for _, vectorizer in classifier.features.transformer_list:
        vocabulary = vectorizer.vocabulary_
        occurrences = _character_ngrams if vectorizer.analyzer == "char_wb" else _word_ngrams
        for ngram, words in occurrences(lowered, vectorizer):
            if ngram in vocabulary:
                found.setdefault(offset + vocabulary[ngram], []).append(words)
        offset += len(vocabulary)
    return found


def _word_ngrams(text: str, vectorizer: TfidfVectorizer) -> Iterator[tuple[str, list[Span]]]:
    classes: WordClasses | None = vectorizer.preprocessor
    words = [(classes(m[0]) if classes else m[0], m.span()) for m in _WORD.finditer(text)]
    low, high = vectorizer.ngram_range
    for n in range(low, high + 1):
        for k in range(len(words) - n + 1):
            part = words[k : k + n]
            yield " ".join(word for word, _ in part), [span for _, span in part]


def _character_ngrams(text: str, vectorizer: TfidfVectorizer) -> Iterator[tuple[str, list[Span]]]:
    low, high = vectorizer.ngram_range
    for match in _CHUNK.finditer(text):
        padded = f" {match[0]} "
        inner = _WORD.search(match[0])
        start, end = (match.start() + inner.start(), match.start() + inner.end()) if inner else match.span()
        for n in range(low, high + 1):
            for k in range(max(len(padded) - n, 0) + 1):
                yield padded[k : k + n], [(start, end)]
            if len(padded) <= n:
                break


def _word_weights(
    classifier: Classifier, vector: sparse.csr_matrix, head: str, label: str, spans: dict[int, list[list[Span]]]
) -> dict[Span, float]:
    weights: defaultdict[Span, float] = defaultdict(float)
    contributions = classifier.contributions(vector, head, label)
    for feature, contribution in zip(vector.indices, contributions, strict=True):
        occurrences = spans.get(int(feature), [])
        for words in occurrences:
            for span in words:
                weights[span] += float(contribution) / len(occurrences) / len(words)
    return dict(weights)


def _evidence(text: CleanText, span: Span, label: str, weight: float) -> Evidence:
    start, end = text.raw_span(*span)
    return Evidence(words=text.raw[start:end], start=start, end=end, label=label, weight=round(weight, 3))
