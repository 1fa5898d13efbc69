"""What was tried for the model and what it gives, out of group: one line a variant.

    .venv/bin/python benchmarks/model_choices.py                 # all examples, about a minute a variant on two cores
    .venv/bin/python benchmarks/model_choices.py --texts 3000    # a quick look

Severity accuracy / recall of the most severe class / share of it called two or more steps too low, for the direct
severity head, for the severity composed from issue type and impact, and for their mixture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion

from model.classifier import WORD, build_features, build_head
from model.composition import Composition, Floats, destinations_of
from model.examples import read_examples
from model.matrix import Matrix, load_matrix
from model.text import clean
from model.trained import in_order

DATA = Path(__file__).resolve().parent.parent / "data"
HEADS = ("destination", "impact", "severity")
Features = Callable[[], FeatureUnion]
Head = Callable[[], BaseEstimator]


def words(**changed: object) -> tuple[str, TfidfVectorizer]:
    """Return the word features with some parameters changed."""
    usual = {"token_pattern": WORD, "ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True}
    return "words", TfidfVectorizer(**(usual | changed))


def characters(**changed: object) -> tuple[str, TfidfVectorizer]:
    """Return the character features with some parameters changed."""
    usual = {"analyzer": "char_wb", "ngram_range": (2, 4), "min_df": 5, "sublinear_tf": True}
    return "characters", TfidfVectorizer(**(usual | changed))


def one_against_rest(price: float) -> OneVsRestClassifier:
    """Return the kept head with another inverse regularisation."""
    return build_head(inverse_regularisation=price)


VARIANTS: dict[str, tuple[Features, Head]] = {
    "kept": (build_features, build_head),
    "words alone": (lambda: FeatureUnion([words()]), build_head),
    "characters alone": (lambda: FeatureUnion([characters()]), build_head),
    "words up to three": (lambda: FeatureUnion([words(ngram_range=(1, 3)), characters()]), build_head),
    "characters up to five": (lambda: FeatureUnion([words(), characters(ngram_range=(2, 5))]), build_head),
    "characters at half weight": (
        lambda: FeatureUnion([words(), characters()], transformer_weights={"characters": 0.5}),
        build_head,
    ),
    "plain term frequency": (
        lambda: FeatureUnion([words(sublinear_tf=False), characters(sublinear_tf=False)]),
        build_head,
    ),
    "C = 4": (build_features, lambda: one_against_rest(4.0)),
    "C = 50": (build_features, lambda: one_against_rest(50.0)),
    "one multinomial regression, C = 10": (build_features, lambda: LogisticRegression(C=10, max_iter=300, tol=1e-3)),
}


def predict(features: Features, head: Head, texts: np.ndarray, frame: pd.DataFrame, fit: np.ndarray, test: np.ndarray):
    """Fit on one part and return classes and probabilities of every head on the other."""
    vectors = features()
    x, z = vectors.fit_transform(texts[fit]), vectors.transform(texts[test])
    fitted = {name: head().fit(x, frame[name].to_numpy()[fit]) for name in HEADS}
    return {name: ([str(c) for c in model.classes_], model.predict_proba(z)) for name, model in fitted.items()}


def severities(found: dict[str, tuple[list[str], Floats]], matrix: Matrix) -> dict[str, Floats]:
    """Return the severity probabilities: direct, composed and mixed."""
    composition = Composition(matrix, found["destination"][0], found["impact"][0])
    composed = composition.marginal(composition.joint(found["destination"][1], found["impact"][1]), "severity")
    direct = in_order(found["severity"][1], found["severity"][0], matrix.severity_ids)
    return {"direct": direct, "composed": composed, "mixed": 0.7 * composed + 0.3 * direct}


def figures(probabilities: Floats, truth: np.ndarray) -> str:
    """Return accuracy, recall of the most severe class, and the share of it that is missed dangerously."""
    chosen = probabilities.argmax(axis=1)
    worst = chosen[truth == 0]
    return f"{(chosen == truth).mean():.4f} {(worst == 0).mean():.3f} {(worst > 1).mean():.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, help="only so many examples, drawn at random")
    parser.add_argument("--only", help="only the variants whose name has this in it")
    given = parser.parse_args()

    matrix = load_matrix(DATA / "matrix.toml")
    frame = read_examples(DATA / "issues.csv", matrix)
    frame = frame.assign(destination=destinations_of(frame, matrix))
    if given.texts:
        frame = frame.sample(given.texts, random_state=0).reset_index(drop=True)
    texts = np.array([clean(text).text for text in frame["text"]], dtype=object)
    truth = frame["severity"].map(list(matrix.severity_ids).index).to_numpy()
    folds = list(GroupKFold(3).split(texts, groups=frame["group"]))

    print(f"{len(frame)} texts, {frame['group'].nunique()} authors")
    print(f"{'variant':36}{'seconds':>8}   {'direct':20}   {'composed':20}   {'mixed':20}")
    for name, (features, head) in VARIANTS.items():
        if given.only and given.only not in name:
            continue
        started = time.perf_counter()
        parts = Parallel(n_jobs=-1)(delayed(predict)(features, head, texts, frame, *fold) for fold in folds)
        seconds = time.perf_counter() - started
        collected = {kind: np.zeros((len(frame), len(matrix.severity_ids))) for kind in ("direct", "composed", "mixed")}
        for (_, test), found in zip(folds, parts, strict=True):
            for kind, probabilities in severities(found, matrix).items():
                collected[kind][test] = probabilities
        line = "   ".join(f"{figures(p, truth):20}" for p in collected.values())
        print(f"{name:36}{seconds:8.0f}   {line}", flush=True)


if __name__ == "__main__":
    main()
