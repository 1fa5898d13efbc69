"""Ordered, named keyword rules read from a data file.

Two lists, in each the first match wins: rules that name the issue type, and rules that name the impact which lowers
its severity. A text that matches no issue rule is `None`, never a guess. A third list says what is named only to say
that it works; issue rules do not see it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.decision import Evidence, Labels
from model.errors import RulesError
from model.matrix import Matrix
from model.phrases import Condition, Found, Phrases, Scope, Span
from model.text import CleanText

Phrase = Annotated[str, Field(min_length=1)]
_Words = Mapping[str, tuple[Phrase, ...]]


class _Rule(BaseModel):
    """A named rule: it matches when a phrase of `any` and of every `all` group is there, and none of `none`.

    `within` says where: all in one sentence, in one clause, or anywhere in the text. `@name` in place of a phrase
    stands for a named list of phrases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    any: tuple[Phrase, ...] = ()
    all: tuple[tuple[Phrase, ...], ...] = ()
    none: tuple[Phrase, ...] = ()
    within: Scope = "text"

    @model_validator(mode="after")
    def _has_phrases(self) -> Self:
        if not self.any and not self.all:
            raise ValueError(f"rule {self.name!r} has neither `any` nor `all`")
        return self


class IssueRule(_Rule):
    """A rule that names the issue type, and owner and queue where the type leaves them open."""

    issue_type: str
    owner: str | None = None
    queue: str | None = None
    impact: str | None = None


class ImpactRule(_Rule):
    """A rule that names what lowers (or, for undocumented issues, sets) the severity."""

    impact: str
    only_for: tuple[str, ...] | None = None


class AsideRule(_Rule):
    """A rule that finds what is named only to say that it works."""

    within: Scope = "clause"


class _RulesFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    words: _Words = {}
    aside: tuple[AsideRule, ...] = ()
    issue: tuple[IssueRule, ...] = ()
    impact: tuple[ImpactRule, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleHit:
    """What the rules say of one text.

    Attributes
    ----------
    labels : Labels
        The labels by the matrix.
    impact : str
        The impact that gave the severity.
    rule : str
        Name of the rule that named the issue type.
    impact_rule : str or None
        Name of the rule that named the impact.
    evidence : tuple of Evidence
        The words that matched.
    """

    labels: Labels
    impact: str
    rule: str
    impact_rule: str | None
    evidence: tuple[Evidence, ...]


class Rules:
    """Keyword rules over one matrix.

    Parameters
    ----------
    matrix : Matrix
        The matrix that gives owner, queue and severity of an issue type.
    issue_rules, impact_rules : tuple of rules
        In order; the first match wins.
    aside_rules : tuple of rules
        Issue rules do not see the parts of a text in which one of these matches.
    words : mapping of str to tuple of str
        The named lists of phrases.

    Attributes
    ----------
    severities : dict of str to frozenset of str
        The severities that each issue rule can give.

    Raises
    ------
    RulesError
        When a rule names what the matrix does not have, or a name stands twice.
    """

    def __init__(
        self,
        matrix: Matrix,
        issue_rules: tuple[IssueRule, ...],
        impact_rules: tuple[ImpactRule, ...],
        aside_rules: tuple[AsideRule, ...] = (),
        words: _Words | None = None,
    ) -> None:
        self.matrix = matrix
        _check(matrix, issue_rules, impact_rules, aside_rules)
        self._phrases = Phrases()
        self._words = words or {}
        self._issue = [(rule, self._condition(rule)) for rule in issue_rules]
        self._impact = [(rule, self._condition(rule)) for rule in impact_rules]
        self._aside = [self._condition(rule) for rule in aside_rules]
        self.severities = {rule.name: self._severities(rule) for rule in issue_rules}

    def match(self, text: CleanText) -> RuleHit | None:
        """Return what the first matching rules say of a text, `None` when no issue rule matches."""
        lowered = text.text.lower()
        if len(lowered) != len(text.text):  # a few capitals grow when lowered; evidence must still point right
            lowered = text.text
        found = self._phrases.find(lowered)
        aside = {(condition.scope, part) for condition in self._aside for part in condition.parts(found)}
        told = self._phrases.without(found, aside) if aside else found
        for rule, condition in self._issue:
            spans = condition.spans(told)
            if spans is not None:
                return self._hit(text, found, rule, spans)
        return None

    def _condition(self, rule: _Rule) -> Condition:
        try:
            groups = [list(_spelt_out(group, self._words)) for group in (*rule.all, rule.any) if group]
            return Condition(self._phrases, groups, _spelt_out(rule.none, self._words), rule.within)
        except KeyError as error:
            raise RulesError(f"rule {rule.name!r}: no list of words is named {error.args[0]!r}") from error

    def _severities(self, rule: IssueRule) -> frozenset[str]:
        impacts = [rule.impact] if rule.impact else [impact.id for impact in self.matrix.impacts]
        found = (self.matrix.severity_after(rule.issue_type, impact) for impact in impacts)
        return frozenset(filter(None, found))

    def _hit(self, text: CleanText, found: Found, rule: IssueRule, spans: list[Span]) -> RuleHit:
        impact, impact_rule, impact_spans = self._find_impact(found, rule)
        severity = self.matrix.severity_after(rule.issue_type, impact) or self.matrix.row_severity(rule.issue_type)
        usual = self.matrix.owner_queues(rule.issue_type)[0]
        labels = Labels(severity, rule.owner or usual.owner, rule.queue or usual.queue, rule.issue_type)
        evidence = [_evidence(text, span, rule.issue_type) for span in spans]
        evidence += [_evidence(text, span, severity) for span in impact_spans]
        return RuleHit(labels, impact, rule.name, impact_rule, tuple(evidence))

    def _find_impact(self, found: Found, rule: IssueRule) -> tuple[str, str | None, list[Span]]:
        if rule.impact:
            return rule.impact, rule.name, []
        for impact_rule, condition in self._impact:
            if impact_rule.only_for is not None and rule.issue_type not in impact_rule.only_for:
                continue
            if not self.matrix.impact(impact_rule.impact).applies_to(rule.issue_type):
                continue
            spans = condition.spans(found)
            if spans is not None:
                return impact_rule.impact, impact_rule.name, spans
        usual = self.matrix.impact_for(rule.issue_type, self.matrix.row_severity(rule.issue_type))
        if usual is None:  # a loaded matrix keeps every row reachable
            raise RulesError(f"no impact keeps {rule.issue_type!r} at its own severity")
        return usual, None, []


def load_rules(path: Path, matrix: Matrix) -> Rules:
    """Read and validate a rules file.

    Parameters
    ----------
    path : Path
        A TOML file with the tables `issue` and `impact`.
    matrix : Matrix
        The matrix that the rules speak of.

    Returns
    -------
    Rules

    Raises
    ------
    RulesError
        When the file is missing, no TOML, or a rule is not valid; the message names the rule.
    """
    try:
        with path.open("rb") as file:
            read = _RulesFile.model_validate(tomllib.load(file))
        return Rules(matrix, read.issue, read.impact, read.aside, read.words)
    except OSError as error:
        raise RulesError(f"{path}: the rules cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RulesError(f"{path}: {details}") from error
    except RulesError as error:
        raise RulesError(f"{path}: {error}") from error


def _spelt_out(phrases: Iterable[Phrase], words: _Words) -> Iterator[Phrase]:
    """Put a named list of phrases in the place of its name."""
    for phrase in phrases:
        if phrase.startswith("@"):
            yield from words[phrase[1:]]
        else:
            yield phrase


def _evidence(text: CleanText, span: Span, label: str) -> Evidence:
    start, end = text.raw_span(*span)
    return Evidence(words=text.raw[start:end], start=start, end=end, label=label, weight=1.0)


def _check(
    matrix: Matrix,
    issue_rules: tuple[IssueRule, ...],
    impact_rules: tuple[ImpactRule, ...],
    aside_rules: tuple[AsideRule, ...],
) -> None:
    names = [rule.name for rule in (*issue_rules, *impact_rules, *aside_rules)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RulesError(f"rule {twice[0]!r} stands twice")
    impacts = [impact.id for impact in matrix.impacts]
    for rule in issue_rules:
        if rule.issue_type not in matrix.issue_type_ids:
            raise RulesError(f"rule {rule.name!r}: the matrix has no issue type {rule.issue_type!r}")
        pairs = [(p.owner, p.queue) for p in matrix.owner_queues(rule.issue_type)]
        if (rule.owner or pairs[0][0], rule.queue or pairs[0][1]) not in pairs:
            raise RulesError(f"rule {rule.name!r}: owner and queue do not go with {rule.issue_type!r} in the matrix")
        if rule.impact and (rule.impact not in impacts or not matrix.impact(rule.impact).applies_to(rule.issue_type)):
            raise RulesError(f"rule {rule.name!r}: impact {rule.impact!r} does not go with {rule.issue_type!r}")
    for impact_rule in impact_rules:
        if impact_rule.impact not in impacts:
            raise RulesError(f"rule {impact_rule.name!r}: the matrix has no impact {impact_rule.impact!r}")
        if unknown := sorted(set(impact_rule.only_for or ()) - set(matrix.issue_type_ids)):
            raise RulesError(f"rule {impact_rule.name!r}: the matrix has no issue type {unknown[0]!r}")
