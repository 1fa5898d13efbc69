"""The gate: a challenger that is worse than the champion is not promoted, unless somebody insists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from model.comparison import Comparison, on_common_texts, on_corrections
from model.decision import Labels
from model.errors import ModelError, PromotionRefusedError, RegistryError
from model.evaluation import LABELS, evaluate
from model.matrix import Matrix
from model.outcomes import digests
from model.registry import Champion, Registry
from model.rules import Rules
from model.text import clean
from model.trained import TrainedModel

MARGIN = 0.01  # how far any label's macro-F1 may fall below the champion's
LEAST_COMMON = 30  # texts that both must have been measured on; fewer say nothing
LEAST_LATEST = 20  # corrections that neither has read; with fewer one odd text would decide


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a challenger.

    Attributes
    ----------
    version : str
        The challenger.
    champion : str or None
        The champion that it was compared with; `None` when none serves.
    reasons : tuple of str
        Why it must not be promoted; empty when it may be.
    comparisons : tuple of Comparison
        What the reasons rest on.
    notes : tuple of str
        What could not be compared, and why that is no reason against the challenger.
    """

    version: str
    champion: str | None
    reasons: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the challenger may be promoted."""
        return not self.reasons


def judge(
    registry: Registry, version: str, matrix: Matrix, rules: Rules, corrections: pd.DataFrame | None = None
) -> Verdict:
    """Judge a saved version against the champion.

    A first version, with no champion to compare it with, is judged on the documented sentences alone.

    Parameters
    ----------
    registry : Registry
    version : str
        The challenger.
    matrix : Matrix
    rules : Rules
        The second opinion that both models use.
    corrections : pandas.DataFrame, optional
        Corrections; those that neither model was trained on are compared on, if they are enough.

    Returns
    -------
    Verdict

    Raises
    ------
    RegistryError
        When there is no such version.
    ModelError
        When it does not load; such a version cannot be promoted by force either.
    """
    challenger = registry.load(version, matrix)
    sentences = tuple(wrong_sentences(challenger))
    champion = registry.champion_or_none()
    if champion is None or champion.version == version:
        return Verdict(version, champion.version if champion else None, sentences)
    verdict = _against(registry, champion.version, challenger, rules, corrections)
    return replace(verdict, reasons=(*sentences, *verdict.reasons))


def _against(
    registry: Registry, champion: str, challenger: TrainedModel, rules: Rules, corrections: pd.DataFrame | None
) -> Verdict:
    verdict = Verdict(challenger.version, champion)
    try:
        differ = _disagreements(registry.manifest(champion), registry.manifest(challenger.version))
        theirs = registry.out_of_group(champion)
    except (ModelError, RegistryError) as error:
        return replace(verdict, reasons=(f"the champion cannot be compared with: {error}",))
    ours = registry.out_of_group(challenger.version)
    common = on_common_texts(theirs, ours)
    if len(common) < LEAST_COMMON:
        few = f"only {len(common)} texts are common with the champion's; at least {LEAST_COMMON} are needed"
        return replace(verdict, reasons=(*differ, few))
    reasons = (*differ, *regressions(common, challenger.matrix))
    verdict = replace(verdict, reasons=reasons, comparisons=(common,))
    unread = read_by_none(corrections, {*theirs.index, *ours.index})
    if len(unread) < LEAST_LATEST:
        note = f"{len(unread)} corrections are new to both; they are compared on from {LEAST_LATEST}"
        return replace(verdict, notes=(note,))
    try:
        latest = on_corrections(registry.load(champion, challenger.matrix), challenger, unread, rules)
    except ModelError as error:
        return replace(verdict, notes=(f"the latest corrections are not compared on: {error}",))
    return replace(verdict, reasons=(*reasons, *regressions(latest, challenger.matrix)), comparisons=(common, latest))


def promote(registry: Registry, verdict: Verdict, *, promoted_at: datetime, force: bool = False) -> Champion:
    """Promote the version that was judged.

    Parameters
    ----------
    registry : Registry
    verdict : Verdict
    promoted_at : datetime
    force : bool, default False
        Promote despite the reasons against it; the manifest then remembers them.

    Raises
    ------
    PromotionRefusedError
        When there are reasons against it.
    RegistryError
        When the version cannot be promoted, or when the champion is no longer the one that it was compared with.
    """
    if not verdict.passed and not force:
        raise PromotionRefusedError(verdict.version, list(verdict.reasons))
    return registry.promote(
        verdict.version,
        promoted_at=promoted_at,
        forced_despite=list(verdict.reasons),
        instead_of=None if force else verdict.champion or "",
    )


def wrong_sentences(model: TrainedModel) -> list[str]:
    """Return the documented sentences that a model does not give their own labels, without the help of rules."""
    rows = model.matrix.issue_types
    decisions = model.decide([clean(r.description) for r in rows], Rules(model.matrix, (), ()), explain=False)
    reasons = []
    for row, decision in zip(rows, decisions, strict=True):
        said, right = decision.labels, Labels(row.severity, row.owner, row.queue, row.id)
        if decision.decided_by != "model" or said != right:
            wrong = ", ".join(
                f"{label} {getattr(said, label)!r} for {getattr(right, label)!r}"
                for label in LABELS
                if getattr(said, label) != getattr(right, label)
            )
            reasons.append(f"the documented sentence {row.description!r} gets {wrong or 'no answer from the model'}")
    return reasons


def regressions(comparison: Comparison, matrix: Matrix) -> list[str]:
    """Return in what the challenger is worse than the champion on the same texts."""
    champion = evaluate(comparison.truth, comparison.champion, matrix)
    challenger = evaluate(comparison.truth, comparison.challenger, matrix)
    on = f"on {len(comparison)} {comparison.on}"
    reasons = []
    for label in LABELS:
        if label in champion:
            before, after = champion[label]["macro_f1"], challenger[label]["macro_f1"]
            if before - after > MARGIN:
                reasons.append(
                    f"{label}: macro-F1 falls from {before:.4f} to {after:.4f}, by more than {MARGIN} ({on})"
                )
    return reasons + _worse_on_most_severe(comparison, matrix, on)


def _worse_on_most_severe(comparison: Comparison, matrix: Matrix, on: str) -> list[str]:
    """Count instead of comparing rounded shares: a single missed text counts."""
    worst, too_low = matrix.severity_ids[0], matrix.severity_ids[2:]
    severe = comparison.truth["severity"] == worst
    before, after = comparison.champion["severity"][severe], comparison.challenger["severity"][severe]
    reasons = []
    found = int((before == worst).sum()), int((after == worst).sum())
    if found[1] < found[0]:
        reasons.append(
            f"{worst} recall: of {severe.sum()} the champion finds {found[0]}, the challenger {found[1]} ({on})"
        )
    missed = int(before.isin(too_low).sum()), int(after.isin(too_low).sum())
    if missed[1] > missed[0]:
        reasons.append(
            f"dangerous misses: of {severe.sum()} {worst} the champion calls {missed[0]} {' or '.join(too_low)}, "
            f"the challenger {missed[1]} ({on})"
        )
    return reasons


def read_by_none(corrections: pd.DataFrame | None, read: set[str]) -> pd.DataFrame:
    """Return the corrections of texts whose digest is not among those read."""
    if corrections is None or corrections.empty:
        return pd.DataFrame(columns=["text"])
    return corrections[[digest not in read for digest in digests(corrections["text"].tolist())]]


def _disagreements(champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> list[str]:
    reasons = []
    if champion.get("labels") != challenger.get("labels"):
        reasons.append("its labels are not the champion's")
    if champion.get("matrix_sha256") != challenger.get("matrix_sha256"):
        reasons.append("it was trained for another matrix than the champion")
    return reasons
