"""Known words for misspelled ones.

The index of symmetric deletes: a word with one letter missing, added or changed, or two neighbours swapped, has a form
with one letter left out in common with the word that was meant, or is such a form itself. No distance to any other word
is ever computed.
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
        places = (self._index[form] for form in _forms(word) if form in self._index)
        first = min(places, default=None)
        return None if first is None else self.words[first]

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def _index(self) -> dict[str, int]:
        """The place of the first word that has a form."""
        index: dict[str, int] = {}
        for place, word in enumerate(self.words):
            if _SHORTEST <= len(word) <= _LONGEST:
                for form in _forms(word):
                    index.setdefault(form, place)
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
