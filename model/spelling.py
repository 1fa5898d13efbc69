"""Known words for misspelled ones.

Candidates come from an index of symmetric deletes: a word with one letter missing, added or changed, or two neighbours
swapped, has a form with one letter left out in common with the word that was meant, or is such a form itself. So have
some words that are further apart; only the few candidates are compared letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

_SHORTEST, _LONGEST = 4, 30  # letters; shorter words have too many neighbours, longer ones are no words
_NOT_ASKED = ""  # no word
_REMEMBERED = 200_000  # unknown words; then all are forgotten, which bounds the memory of a long-lived process


@dataclass(frozen=True)
class Spelling:
    """The words that are known, the most frequent first.

    Attributes
    ----------
    words : tuple of str
        In lower case. Where several are one slip away from a word, the first one is taken.

    Examples
    --------
    >>> spelling = Spelling(("agent", "dialer", "page"))
    >>> [spelling.known(word) for word in ("agent", "agnet", "dailer", "diler", "pagge", "xyz")]
    ['agent', 'agent', 'dialer', 'dialer', 'page', None]
    """

    words: tuple[str, ...]
    _found: dict[str, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def known(self, word: str) -> str | None:
        """Return the word itself if it is known, else a known word one slip away, else `None`."""
        if word in self._all:
            return word
        if not _SHORTEST <= len(word) <= _LONGEST:
            return None
        found = self._found.get(word, _NOT_ASKED)  # in one step, since another thread may forget all
        if found == _NOT_ASKED:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            found = self._found[word] = self._near(word)
        return found

    def _near(self, word: str) -> str | None:
        places = sorted({place for form in _forms(word) for place in self._index.get(form, ())})
        return next((self.words[place] for place in places if _is_one_slip(word, self.words[place])), None)

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def _index(self) -> dict[str, list[int]]:
        """The places of all words that have a form."""
        index: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            if _SHORTEST <= len(word) <= _LONGEST:
                for form in set(_forms(word)):
                    index.setdefault(form, []).append(place)
        return index

    def __getstate__(self) -> tuple[str, ...]:
        return self.words

    def __setstate__(self, words: tuple[str, ...]) -> None:
        self.__dict__.update(words=words, _found={})


def _forms(word: str) -> Iterator[str]:
    """Yield the word and every form of it with one letter left out."""
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _is_one_slip(word: str, other: str) -> bool:
    """Say whether one letter dropped, added or changed, or two neighbours swapped, make one word of the other."""
    if len(word) > len(other):
        word, other = other, word
    at = next((n for n, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), len(word))
    if len(word) < len(other):
        return len(other) - len(word) == 1 and word[at:] == other[at + 1 :]
    rest, other_rest = word[at:], other[at:]
    return rest[1:] == other_rest[1:] or (rest[1::-1] == other_rest[:2] and rest[2:] == other_rest[2:])
