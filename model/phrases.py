"""Phrases of the keyword rules: each is looked for only in texts that have its words, compiled for the first such."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Scope = Literal["text", "sentence", "clause"]

# A letter, digit or underscore of any script. `\w` knows the letters of Hindi but not its vowel signs, which would
# cut most of its words in two.
_LETTER = r"[\w\u0900-\u0963]"
_OTHER = r"[^\w\u0900-\u0963.!?\n\u0964]"  # what may stand between two words of one sentence
_WORDS = re.compile(rf"{_LETTER}+")
_GAP = rf"(?:{_OTHER}+{_LETTER}+){{0,5}}?{_OTHER}+"  # `...` in a phrase: up to five words
_LONGEST = 40  # characters of a word that matter
_REMEMBERED = 100_000  # words; then all are forgotten, which bounds the memory of a long-lived process
_SPACE = r"\s*[\s,-]\s*"
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|[\n\u0964]")
_CLAUSE_END = re.compile(
    r"[.!?,;:]+(?=\s|$)|[\n\u0964|()]|\s-+\s|(?<=\s)(?:पर|लेकिन|मगर)(?=\s)"
    r"|\b(?:but|though|although|however|while|whereas|yet|except|par|pr|lekin|magar|jabki)\b"
)


Span = tuple[int, int]  # start and end of what stands in a text, in characters


class Parts:
    """The sentences and the clauses of a text; they are found when a rule first asks for them.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: dict[Scope, list[int]] = {"text": []}

    def number(self, scope: Scope, span: Span) -> int:
        """Return the number of the part in which a span begins, of those that a rule of this scope looks at as one."""
        ends = self._ends.get(scope)
        if ends is None:
            end_of = _SENTENCE_END if scope == "sentence" else _CLAUSE_END
            ends = self._ends[scope] = [match.end() for match in end_of.finditer(self._text)]
        return bisect_right(ends, span[0])


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in a text.

    Attributes
    ----------
    spans : mapping of int to list of Span
        Where each phrase stands, by its number.
    groups : frozenset of int
        The numbers of the groups to which these phrases belong.
    parts : Parts
    """

    spans: Mapping[int, list[Span]]
    groups: frozenset[int]
    parts: Parts


class _Phrase:
    """A phrase of several words.

    `starts` are the words, or beginnings of words, that it cannot do without. A pattern is slow to search for, so its
    fragments are looked for before.
    """

    def __init__(self, phrase: str) -> None:
        tokens = [token for token in re.split(r"[^\w\u0900-\u0963*]+", phrase) if token.strip("*")]
        self.starts = frozenset(token.split("*")[0] for token in tokens if not token.startswith("*"))
        stretches = (_spaced(stretch) for stretch in phrase.split("..."))
        self._fragments = tuple(part for stretch in stretches for part in stretch.split("*") if part.strip())
        self._phrase = phrase

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        """Made when it is needed first: few phrases ever are, and all would take a second."""
        return re.compile(_pattern(self._phrase))

    def find(self, text: str, spaced: str) -> list[Span]:
        for fragment in self._fragments:
            if fragment not in spaced:
                return []
        return [match.span() for match in self._compiled.finditer(text)]


class Phrases:
    """All phrases of a rules file.

    A phrase is words in lower case. `*` stands for any ending or beginning of a word, `...` for up to five words of
    the same sentence. All phrases must be added before the first search.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: dict[str, int] = {}  # most phrases are one word, and need no pattern
        self._beginnings: dict[str, int] = {}
        self._longer: dict[int, _Phrase] = {}
        self._read: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {}  # what is known of words met before
        self._members: list[frozenset[int]] = []  # of every group, its phrases
        self._groups: dict[int, list[int]] = {}  # of every phrase, its groups

    def add_group(self, phrases: Iterable[str]) -> tuple[int, frozenset[int]]:
        """Return the number of a new group, and those of its phrases."""
        members = frozenset(self._add(phrase) for phrase in phrases)
        for number in members:
            self._groups.setdefault(number, []).append(len(self._members))
        self._members.append(members)
        return len(self._members) - 1, members

    def _add(self, phrase: str) -> int:
        if phrase not in self._numbers:
            number = self._numbers[phrase] = len(self._numbers)
            if _WORDS.fullmatch(phrase):
                self._words[phrase] = number
            elif phrase.endswith("*") and _WORDS.fullmatch(phrase[:-1]):
                self._beginnings[phrase[:-1]] = number
            else:
                self._longer[number] = _Phrase(phrase)
        return self._numbers[phrase]

    def find(self, text: str) -> Found:
        """Return every phrase that stands in a lowered text."""
        words: dict[str, list[Span]] = {}
        for match in _WORDS.finditer(text):
            words.setdefault(match[0], []).append(match.span())
        found: dict[int, list[Span]] = {}
        starts = {""}
        for word, spans in words.items():
            numbers, begun = self._read.get(word) or self._read_word(word)
            starts.update(begun)
            for number in numbers:
                found.setdefault(number, []).extend(spans)
        spaced = f" {_spaced(text)} "  # a blank may end a fragment where `*` stands for nothing
        for one in starts & self._by_starts.keys():
            by_other = self._by_starts[one]
            for other in starts & by_other.keys():
                for number, phrase in by_other[other]:
                    if phrase.starts <= starts and (places := phrase.find(text, spaced)):
                        found[number] = places
        return self._found(found, Parts(text))

    @cached_property
    def _by_starts(self) -> dict[str, dict[str, list[tuple[int, _Phrase]]]]:
        """The phrases of several words by the two of their starts that the fewest phrases share."""
        sharing = Counter(start for phrase in self._longer.values() for start in phrase.starts)
        index: dict[str, dict[str, list[tuple[int, _Phrase]]]] = {}
        for number, phrase in self._longer.items():
            one, other, *_ = *sorted(phrase.starts, key=lambda start: (sharing[start], start)), "", ""
            index.setdefault(one, {}).setdefault(other, []).append((number, phrase))
        return index

    @cached_property
    def _starts(self) -> frozenset[str]:
        """Words, and beginnings of words, that some phrase of several words needs."""
        return frozenset().union(*(phrase.starts for phrase in self._longer.values()))

    def _read_word(self, word: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return the phrases that a word is, and with which of the beginnings that phrases need it begins."""
        beginnings = [word[:n] for n in range(1, min(len(word), _LONGEST) + 1)]
        numbers = [self._words[word]] if word in self._words else []
        numbers += [self._beginnings[start] for start in beginnings if start in self._beginnings]
        if len(self._read) >= _REMEMBERED:
            self._read.clear()
        read = tuple(numbers), tuple(start for start in beginnings if start in self._starts)
        if len(word) <= _LONGEST:
            self._read[word] = read
        return read

    def without(self, found: Found, parts: set[tuple[Scope, int]]) -> Found:
        """Return what was found outside some parts of a text."""
        scopes, number_of = {scope for scope, _ in parts}, found.parts.number
        left = {
            number: kept
            for number, spans in found.spans.items()
            if (kept := [span for span in spans if not any((s, number_of(s, span)) in parts for s in scopes)])
        }
        return self._found(left, found.parts)

    def _found(self, spans: Mapping[int, list[Span]], parts: Parts) -> Found:
        return Found(spans, frozenset().union(*map(self._groups.__getitem__, spans)), parts)


class Condition:
    """What a rule asks of a text: a phrase of every group and none of the excluded, within one part of the text.

    Parameters
    ----------
    phrases : Phrases
        The phrases of the file, which learn those of this rule.
    groups : iterable of iterable of str
        Of each, one phrase must be there.
    none : iterable of str
        Of these, none may be there.
    scope : {"text", "sentence", "clause"}
        All in the same sentence, in the same clause, or anywhere.
    """

    def __init__(
        self, phrases: Phrases, groups: Iterable[Iterable[str]], none: Iterable[str], scope: Scope = "text"
    ) -> None:
        self._groups = [phrases.add_group(group) for group in groups]
        self._needed = frozenset(number for number, _ in self._groups)
        self._none = phrases.add_group(none)
        self.scope = scope

    def spans(self, found: Found) -> list[Span] | None:
        """Return one span a group, `None` when the condition does not hold."""
        if not self._needed <= found.groups or (self.scope == "text" and self._none[0] in found.groups):
            return None
        groups = [self._by_part(members, found) for _, members in self._groups]
        parts = self._parts(groups, found)
        return [group[min(parts)] for group in groups] if parts else None

    def parts(self, found: Found) -> set[int]:
        """Return the numbers of all parts of the text in which the condition holds."""
        if not self._needed <= found.groups:
            return set()
        return self._parts([self._by_part(members, found) for _, members in self._groups], found)

    def _parts(self, groups: list[dict[int, Span]], found: Found) -> set[int]:
        parts = set(groups[0]).intersection(*groups[1:])
        return parts.difference(self._by_part(self._none[1], found)) if self._none[0] in found.groups else parts

    def _by_part(self, members: frozenset[int], found: Found) -> dict[int, Span]:
        """Return the first span in each part of the text, of the phrase that stands first in its group."""
        by_part: dict[int, Span] = {}
        for number in sorted(members.intersection(found.spans)):
            for span in found.spans[number]:
                by_part.setdefault(found.parts.number(self.scope, span), span)
        return by_part


def _spaced(text: str) -> str:
    """Return a text with one blank for all that may stand between two words of a phrase."""
    return " ".join(text.replace(",", " ").replace("-", " ").split())


def _pattern(phrase: str) -> str:
    pieces: list[str] = []
    gap = ""
    for word in phrase.split():
        if word == "...":
            gap = _GAP
            continue
        stem, star, rest = word.partition("*")
        # The word boundary is asserted behind the letters: a pattern that begins with letters is found much faster.
        begin = re.escape(stem) + (rf"(?<!{_LETTER}{re.escape(stem)})" if re.match(_LETTER, stem) else "")
        ending = (rf"{_LETTER}*" if star else "") + re.escape(rest).replace(r"\*", rf"{_LETTER}*")
        boundary = rf"(?!{_LETTER})" if re.search(rf"(?:{_LETTER}|\*)$", word) else ""
        pieces += [gap, "" if stem else rf"(?<!{_LETTER})", begin, ending, boundary]
        gap = _SPACE
    return "".join(pieces)
