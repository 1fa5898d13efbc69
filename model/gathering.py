"""Examples and corrections put together: what a challenger is trained on, and what is held back from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from model.errors import ExamplesError
from model.evaluation import LABELS
from model.examples import check_examples
from model.gate import LEAST_LATEST
from model.matrix import Matrix
from model.outcomes import digest
from model.text import CleanText, clean

HELD_BACK = 0.2  # share of the corrections new to the champion, the latest, that the challenger must not read either


@dataclass(frozen=True)
class TrainingSet:
    """What a challenger is trained on, and what it is not.

    Attributes
    ----------
    examples : pandas.DataFrame
        Distinct labelled texts as `examples.check_examples` returns them, corrections included.
    held_back : pandas.DataFrame
        The latest corrections, on which champion and challenger are compared.
    contradictions : pandas.DataFrame
        Examples that a correction labels otherwise: `text`, and `<label>_example`, `<label>_correction`.
    misfits : pandas.DataFrame
        Corrections that the matrix does not allow any more.
    corrections : int
        How many of the examples are corrections.
    corrections_until : str or None
        ISO 8601 instant of the latest of them.
    texts : list of CleanText
        The clean texts of the examples, one each.
    """

    examples: pd.DataFrame
    held_back: pd.DataFrame
    contradictions: pd.DataFrame
    misfits: pd.DataFrame
    corrections: int
    corrections_until: str | None
    texts: list[CleanText]


def gather(
    examples: pd.DataFrame, corrections: pd.DataFrame | None, matrix: Matrix, read: Collection[str] | None = None
) -> TrainingSet:
    """Put examples and corrections together: of the same clean text, a correction wins.

    The latest corrections are held back, so that champion and challenger can be compared on texts that neither has
    read. That needs enough corrections which are new to the champion; few are all learned from.

    Parameters
    ----------
    examples : pandas.DataFrame
        As `examples.read_examples` returns them.
    corrections : pandas.DataFrame or None
        The latest word about each text, the oldest first.
    matrix : Matrix
    read : collection of str, optional
        Digests of the texts that the champion was trained on; nothing is held back when not given.
    """
    known = _distinct(examples)
    fitting, misfits = _fitting(corrections, matrix)
    words = _distinct(fitting)
    late = _latest(words, {*known["digest"], *read} if read is not None else None)
    held_back, words = words[late], words[~late]
    pairs = known.merge(words, on="digest", suffixes=("_example", "_correction"))
    merged = pd.concat(
        [known[~known["digest"].isin(words["digest"])], _as_examples(words, known, matrix)], ignore_index=True
    )
    until = None if words.empty else str(pd.Timestamp(words["created_at"].max()).isoformat())
    return TrainingSet(
        examples=check_examples(merged.drop(columns=["digest", "clean"]), matrix),
        held_back=held_back.drop(columns=["digest", "clean"]).reset_index(drop=True),
        contradictions=_contradictions(pairs),
        misfits=misfits,
        corrections=len(words),
        corrections_until=until,
        texts=merged["clean"].tolist(),
    )


def _distinct(labelled: pd.DataFrame) -> pd.DataFrame:
    """Return labelled texts with clean text and digest, the last one of those that a model cannot tell apart."""
    cleaned = pd.Series([clean(text) for text in labelled["text"]], index=labelled.index, dtype=object)
    found = labelled.assign(clean=cleaned, digest=[digest(text) for text in cleaned])
    return found.drop_duplicates("digest", keep="last")


def _fitting(corrections: pd.DataFrame | None, matrix: Matrix) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part corrections into those that the matrix allows and those that an earlier matrix allowed."""
    if corrections is None or corrections.empty:
        nothing = pd.DataFrame(columns=["text", *LABELS, "language", "group", "created_at"], dtype=str)
        return nothing, nothing
    if _fits(corrections, matrix):
        fits = np.ones(len(corrections), dtype=bool)
    else:
        fits = np.array([_fits(corrections.iloc[[n]], matrix) for n in range(len(corrections))])
    return corrections[fits].reset_index(drop=True), corrections[~fits].reset_index(drop=True)


def _fits(corrections: pd.DataFrame, matrix: Matrix) -> bool:
    try:
        check_examples(corrections, matrix)
    except ExamplesError:
        return False
    return True


def _latest(words: pd.DataFrame, read: Collection[str] | None) -> pd.Series[bool]:
    """Mark the latest of the corrections that nobody has read, if they are enough to compare on."""
    marks = pd.Series(False, index=words.index)
    if read is None or words.empty:
        return marks
    unread = words[~words["digest"].isin(list(read))].sort_values("created_at", kind="stable")
    number = int(len(unread) * HELD_BACK)
    if number >= LEAST_LATEST:
        marks[unread.index[-number:]] = True
    return marks


def _as_examples(words: pd.DataFrame, known: pd.DataFrame, matrix: Matrix) -> pd.DataFrame:
    """Return corrections as examples; what they do not say of a text is taken from the example of the same text."""
    before = known.set_index("digest")
    taken = words.assign(impact="").drop(columns="created_at")
    for n, word in taken[taken["digest"].isin(before.index)].iterrows():
        example = before.loc[word["digest"]]
        taken.loc[n, ["language", "group"]] = example[["language", "group"]].to_numpy()
        kind, impact = word["issue_type"] or example["issue_type"], example["impact"]
        if not kind or (word["owner"], word["queue"]) not in [(p.owner, p.queue) for p in matrix.owner_queues(kind)]:
            continue
        taken.loc[n, "issue_type"] = kind
        if impact and matrix.severity_after(kind, impact) == word["severity"]:
            taken.loc[n, "impact"] = impact
    return taken


def _contradictions(pairs: pd.DataFrame) -> pd.DataFrame:
    differ = pd.Series(False, index=pairs.index)
    for label in LABELS:
        said = pairs[f"{label}_correction"]
        differ |= (said != "") & (said != pairs[f"{label}_example"])
    columns = [f"{label}_{who}" for label in LABELS for who in ("example", "correction")]
    found = pairs.loc[differ, ["text_example", *columns]]
    return found.rename(columns={"text_example": "text"}).reset_index(drop=True)
