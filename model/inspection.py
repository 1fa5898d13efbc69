"""Looking at labelled texts before trusting a model trained on them: scarce classes, near-duplicates, suspects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from model.errors import ExamplesError
from model.evaluation import LABELS
from model.text import clean

try:
    from cleanlab.filter import find_label_issues
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("model.inspection needs cleanlab: pip install 'issue-router[notebook]'") from error

ALIKE = 0.85  # cosine from which two texts are near-duplicates
_ROWS = 500  # texts that are compared with all others at a time, to bound the memory


def counts(examples: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return how many texts of each severity there are for every value of a column, and by how many authors."""
    table = pd.crosstab(examples[by], examples["severity"])
    return table.assign(texts=table.sum(axis=1), authors=examples.groupby(by)["group"].nunique())


def scarce(examples: pd.DataFrame, *, least_texts: int = 30, least_groups: int = 3) -> pd.DataFrame:
    """Return the pairs of issue type and severity that few texts or few authors speak of.

    Parameters
    ----------
    examples : pandas.DataFrame
        As `examples.check_examples` returns them.
    least_texts, least_groups : int
        From how many on a pair is not scarce.

    Returns
    -------
    pandas.DataFrame
        `issue_type, severity, texts, authors`, the scarcest first.
    """
    known = examples[examples["issue_type"] != ""]
    table = known.groupby(["issue_type", "severity"]).agg(texts=("text", "size"), authors=("group", "nunique"))
    few = table[(table["texts"] < least_texts) | (table["authors"] < least_groups)]
    return few.sort_values(["texts", "authors"]).reset_index()


def near_duplicates(examples: pd.DataFrame, *, alike: float = ALIKE) -> pd.DataFrame:
    """Return pairs of texts that say nearly the same in nearly the same words.

    Pairs across groups make out-of-group figures too good; pairs with different labels contradict each other.

    Parameters
    ----------
    examples : pandas.DataFrame
        As `examples.check_examples` returns them.
    alike : float, default 0.85
        Least cosine, in 0..1, of the TF-IDF vectors of words and word pairs.

    Returns
    -------
    pandas.DataFrame
        `likeness, text, other, same_group, same_labels`, the likest first.
    """
    texts = [clean(text).text for text in examples["text"]]
    words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    vectors = sparse.csr_matrix(words.fit_transform(texts))
    turned = vectors.T.tocsr()
    found: list[tuple[int, int, float]] = []
    for start in range(0, len(texts), _ROWS):
        products = sparse.coo_matrix(vectors[start : start + _ROWS] @ turned)
        first, second = products.row + start, products.col
        pairs = (products.data >= alike) & (first < second)
        found += zip(first[pairs].tolist(), second[pairs].tolist(), products.data[pairs].tolist(), strict=True)
    one, other = [n for n, _, _ in found], [n for _, n, _ in found]
    left, right = examples.iloc[one].reset_index(drop=True), examples.iloc[other].reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "likeness": np.round([likeness for *_, likeness in found], 3),
            "text": left["text"],
            "other": right["text"],
            "same_group": left["group"] == right["group"],
            "same_labels": (left[list(LABELS)] == right[list(LABELS)]).all(axis=1),
        }
    )
    return frame.sort_values("likeness", ascending=False, kind="stable", ignore_index=True)


def suspects(examples: pd.DataFrame, decided: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return the texts whose label is probably wrong, by confident learning (Northcutt, Jiang and Chuang, 2021).

    The out-of-group confidence in the decided label is its probability; what is left is shared alike by the others.

    Parameters
    ----------
    examples : pandas.DataFrame
        As `examples.check_examples` returns them.
    decided : pandas.DataFrame
        Out-of-group decisions as `evaluation.decisions_frame` returns them, row by row for the examples.
    label : {"severity", "owner", "queue"}

    Returns
    -------
    pandas.DataFrame
        `text`, the given label, the decided label, `confidence` and `group`, the likeliest error first.
    """
    if len(decided) != len(examples):
        raise ExamplesError(f"there are {len(examples)} examples, but {len(decided)} decisions")
    given = examples[label].to_numpy()
    said = decided[label].to_numpy()
    classes = sorted({*given, *said})
    place = {name: n for n, name in enumerate(classes)}
    confidence = pd.to_numeric(decided[f"{label}_confidence"], errors="coerce").fillna(1 / len(classes)).to_numpy()
    rest = (1 - confidence) / max(len(classes) - 1, 1)
    probabilities = np.repeat(rest[:, None], len(classes), axis=1)
    probabilities[np.arange(len(said)), [place[name] for name in said]] = confidence
    worst = find_label_issues(
        np.array([place[name] for name in given]),
        probabilities,
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    worst = worst[given[worst] != said[worst]]  # an unsure agreement is no suspicion
    return pd.DataFrame(
        {
            "text": examples["text"].to_numpy()[worst],
            label: given[worst],
            "decided": said[worst],
            "confidence": confidence[worst],
            "group": examples["group"].to_numpy()[worst],
        }
    )
