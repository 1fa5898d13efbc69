"""Composes the parts: raw text in, routing out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from model.decision import Decision, Labels
from model.errors import StoreError
from model.matrix import Contact, Matrix, Targets
from model.policy import decide_by_person, decide_by_rules
from model.rules import Rules
from model.text import CleanText, clean
from model.trained import TrainedModel

_CHUNK = 512  # texts that are vectorised together: large enough to amortise, small enough for the cache


class Precedents(Protocol):
    """What people said of texts before; their word wins."""

    def find(self, digests: Sequence[str]) -> Mapping[str, Labels]:
        """Return the labels that a person gave, by digest of the clean text.

        Raises
        ------
        StoreError
            When the store is down; the router goes on without it.
        """


@dataclass(frozen=True, slots=True)
class Routing:
    """A decision plus contacts and deadlines.

    Attributes
    ----------
    id : str
        Names this routing, for a correction.
    digest : str
        By which the same text is recognised.
    decision : Decision
    targets : Targets
    escalation : tuple of Contact
    """

    id: str
    digest: str
    decision: Decision
    targets: Targets
    escalation: tuple[Contact, ...]


@dataclass(frozen=True)
class Router:
    """Routes texts by a person's word, else the model, else the rules, else the default.

    Attributes
    ----------
    matrix : Matrix
    rules : Rules
    model : TrainedModel or None
        `None` when no usable model is there: the rules answer.
    precedents : Precedents or None
        Corrections to heed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model.matrix import load_matrix
    >>> from model.rules import load_rules
    >>> matrix = load_matrix(Path("data/matrix.toml"))
    >>> router = Router(matrix, load_rules(Path("data/rules.toml"), matrix))
    >>> router.route("PRI is up but IVR is not working").decision.labels.queue
    'CR desk'
    """

    matrix: Matrix
    rules: Rules
    model: TrainedModel | None = None
    precedents: Precedents | None = None

    @property
    def model_version(self) -> str | None:
        """Version of the model, `None` without one."""
        return self.model.version if self.model else None

    def with_precedents(self, precedents: Precedents | None) -> Router:
        """Return the same router heeding other corrections."""
        return replace(self, precedents=precedents)

    def without_model(self) -> Router:
        """Return the same router answering from rules alone."""
        return replace(self, model=None)

    def route(self, text: str, *, region: str | None = None, opened_at: datetime | None = None) -> Routing:
        """Route one text.

        Parameters
        ----------
        text : str
            What the customer wrote.
        region : str, optional
            Region of the matrix whose contacts to name; its default region when not given.
        opened_at : datetime, optional
            When the ticket was opened; deadlines as instants are left out when not given.

        Returns
        -------
        Routing

        Raises
        ------
        UnknownRegionError
            When the matrix has no such region.
        """
        return self.route_many([text], region=region, opened_at=opened_at)[0]

    def route_many(
        self, texts: Sequence[str], *, region: str | None = None, opened_at: datetime | None = None
    ) -> list[Routing]:
        """Route several texts of one region and opening time; see `route`."""
        self.matrix.region(region)
        cleaned = [clean(text) for text in texts]
        decisions = self._decide(cleaned, explain=True)
        return [
            Routing(
                id=uuid4().hex,
                digest=text.digest,
                decision=decision,
                targets=self.matrix.targets(decision.labels.severity, opened_at),
                escalation=self.matrix.escalation(decision.labels.queue, region),
            )
            for text, decision in zip(cleaned, decisions, strict=True)
        ]

    def decide_many(self, texts: Sequence[str], *, explain: bool = False) -> list[Decision]:
        """Decide the labels of several texts, without contacts and deadlines.

        Parameters
        ----------
        texts : sequence of str
            Raw texts.
        explain : bool, default False
            Whether to look for evidence and alternatives, which takes most of the time.

        Returns
        -------
        list of Decision
            One a text, in order; the same decisions that `route` gives.
        """
        decisions: list[Decision] = []
        for start in range(0, len(texts), _CHUNK):
            decisions += self._decide([clean(text) for text in texts[start : start + _CHUNK]], explain=explain)
        return decisions

    def _decide(self, texts: Sequence[CleanText], *, explain: bool) -> list[Decision]:
        if not texts:
            return []
        if self.model:
            decisions = self.model.decide(texts, self.rules, explain=explain)
        else:
            decisions = [decide_by_rules(text, self.rules.match(text), self.matrix) for text in texts]
        for n, labels in self._heeded(texts).items():
            decisions[n] = decide_by_person(labels, decisions[n])
        return decisions

    def _heeded(self, texts: Sequence[CleanText]) -> dict[int, Labels]:
        if self.precedents is None:
            return {}
        digests = [text.digest for text in texts]
        try:
            known = self.precedents.find(digests)
        except StoreError:
            return {}  # the store says so in /readyz; routing goes on
        found = {n: known[digest] for n, digest in enumerate(digests) if digest in known}
        # Words of a person spoken under another matrix name labels that this one may not have.
        allows = self.matrix.allows
        return {n: at for n, at in found.items() if allows(at.severity, at.owner, at.queue, at.issue_type)}
