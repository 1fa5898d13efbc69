"""What was tried for the model and what it gives, out of group: one line a variant.

    .venv/bin/python benchmarks/model_choices.py                 # all examples, about a minute a variant on two cores
    .venv/bin/python benchmarks/model_choices.py --texts 3000    # a quick look

Severity accuracy / recall of the most severe class / share of it called two or more steps too low, for the direct
severity head, for the severity composed from issue type and one head of impacts, for that with the heads of impact
families too, and for the mixture of this with the direct head.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion

from model.classifier import build_features, build_head
from model.composition import Composition, Floats, destinations_of, family_head
from model.examples import read_examples
from model.matrix import Matrix, load_matrix
from model.text import clean
from model.trained import in_order
from model.word_classes import WORD, WordClasses, learn_word_classes

DATA = Path(__file__).resolve().parent.parent / "data"
HEADS = ("destination", "impact", "severity")
Features = Callable[[list[WordClasses]], FeatureUnion]
Head = Callable[[], BaseEstimator]


def words(**changed: object) -> tuple[str, TfidfVectorizer]:
    """Return the word features with some parameters changed."""
    usual = {"token_pattern": WORD, "ngram_range": (1, 2), "min_df": 3, "sublinear_tf": True}
    return "words", TfidfVectorizer(**(usual | changed))


def characters(**changed: object) -> tuple[str, TfidfVectorizer]:
    """Return the character features with some parameters changed."""
    usual = {"analyzer": "char_wb", "ngram_range": (3, 3), "min_df": 10, "sublinear_tf": True}
    return "characters", TfidfVectorizer(**(usual | changed))


def with_classes(*parts: tuple[str, TfidfVectorizer]) -> Features:
    """Return features with some parts, and the kept n-grams of word classes."""

    def build(word_classes: list[WordClasses]) -> FeatureUnion:
        kept = build_features(word_classes)
        return FeatureUnion([*parts, *kept.transformer_list[2:]], transformer_weights=kept.transformer_weights)

    return build


def one_against_rest(price: float) -> OneVsRestClassifier:
    """Return the kept head with another inverse regularisation."""
    return build_head(inverse_regularisation=price)


VARIANTS: dict[str, tuple[Features, Head]] = {
    "kept": (build_features, build_head),
    "no word classes": (lambda _: FeatureUnion([words(), characters()]), build_head),
    "coarse word classes alone": (lambda classes: build_features(classes[:1]), build_head),
    "fine word classes alone": (lambda classes: build_features(classes[1:]), build_head),
    "no mending of spelling": (lambda classes: build_features([as_written(each) for each in classes]), build_head),
    "no words": (with_classes(characters()), build_head),
    "no characters": (with_classes(words()), build_head),
    "words up to three": (with_classes(words(ngram_range=(1, 3)), characters()), build_head),
    "characters from two to four": (with_classes(words(), characters(ngram_range=(2, 4))), build_head),
    "plain term frequency": (with_classes(words(sublinear_tf=False), characters(sublinear_tf=False)), build_head),
    "ten times the tolerance": (build_features, lambda: build_head(tolerance=100.0)),
    "a tenth of the tolerance": (build_features, lambda: build_head(tolerance=1.0)),
    "C = 20": (build_features, lambda: one_against_rest(20.0)),
    "C = 500": (build_features, lambda: one_against_rest(500.0)),
    "one multinomial regression, C = 10": (build_features, lambda: LogisticRegression(C=10, max_iter=300, tol=1e-3)),
}


@dataclass(frozen=True)
class AsWritten:
    """A spelling that mends nothing."""

    words: frozenset[str]

    def known(self, word: str) -> str | None:
        """Return the word itself if it is known."""
        return word if word in self.words else None


def as_written(classes: WordClasses) -> WordClasses:
    """Return the same classes for words as they are written."""
    return WordClasses(classes.classes, AsWritten(frozenset(classes.classes)))


@dataclass(frozen=True)
class Work:
    """What every process needs to fit."""

    texts: np.ndarray
    targets: dict[str, np.ndarray]

    def predict(self, features: Features, head: Head, fit: np.ndarray, test: np.ndarray) -> dict[str, Reading]:
        """Fit on one part and return classes and probabilities of every head on the other."""
        vectors = features(learn_word_classes(self.texts[fit].tolist()))
        x, z = vectors.fit_transform(self.texts[fit]), vectors.transform(self.texts[test])
        found = {}
        for name, target in self.targets.items():
            known = target[fit] != ""
            if name not in HEADS and len(set(target[fit][known])) < 2:
                continue  # as training has it: the family goes by the head of all impacts
            fitted = head().fit(x[known], target[fit][known])
            found[name] = [str(c) for c in fitted.classes_], fitted.predict_proba(z)
        return found


Reading = tuple[list[str], Floats]


def severities(found: dict[str, Reading], matrix: Matrix) -> dict[str, Floats]:
    """Return the severity probabilities: direct, composed in two ways, and mixed."""
    (destinations, destination), (impacts, impact) = found["destination"], found["impact"]
    composition = Composition(matrix, destinations, impacts)
    families = {
        family: in_order(opinion, classes, impacts)
        for family in matrix.impact_families
        for classes, opinion in [found.get(family_head(family), (None, None))]
        if classes
    }
    composed = composition.marginal(composition.joint(destination, impact), "severity")
    both = composition.marginal(composition.joint(destination, impact, families), "severity")
    direct = in_order(found["severity"][1], found["severity"][0], matrix.severity_ids)
    return {"direct": direct, "composed": composed, "families": both, "mixed": 0.7 * both + 0.3 * direct}


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
    targets = {name: frame[name].to_numpy(dtype=str) for name in HEADS}
    families = frame["issue_type"].map(matrix.impact_family)
    for family in matrix.impact_families:
        targets[family_head(family)] = np.where(families == family, targets["impact"], "")
    work = Work(texts, targets)
    truth = frame["severity"].map(list(matrix.severity_ids).index).to_numpy()
    folds = list(GroupKFold(3).split(texts, groups=frame["group"]))

    kinds = ("direct", "composed", "families", "mixed")
    print(f"{len(frame)} texts, {frame['group'].nunique()} authors")
    print(f"{'variant':36}{'seconds':>8}   " + "   ".join(f"{kind:20}" for kind in kinds))
    for name, (features, head) in VARIANTS.items():
        if given.only and given.only not in name:
            continue
        started = time.perf_counter()
        parts = Parallel(n_jobs=-1)(delayed(work.predict)(features, head, *fold) for fold in folds)
        seconds = time.perf_counter() - started
        collected = {kind: np.zeros((len(frame), len(matrix.severity_ids))) for kind in kinds}
        for (_, test), found in zip(folds, parts, strict=True):
            for kind, probabilities in severities(found, matrix).items():
                collected[kind][test] = probabilities
        line = "   ".join(f"{figures(p, truth):20}" for p in collected.values())
        print(f"{name:36}{seconds:8.0f}   {line}", flush=True)


if __name__ == "__main__":
    main()
