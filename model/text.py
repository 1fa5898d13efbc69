"""Raw ticket text to clean text, done once for training, serving, batch and notebook alike.

Cleaning is a fixed sequence of edits, and every edit is remembered, so that a word of the clean text can be pointed
at in the text that the customer sent. (A general HTML or mail parser forgets positions, which is why the few
patterns that matter are written down here.)
"""

from __future__ import annotations

import hashlib
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from model.mail import Edit, disclaimer, older_messages, signature

MAX_CHARACTERS = 20_000  # longer texts are cut here by cleaning; the newest message stands first


@dataclass(frozen=True, slots=True)
class _Step:
    """One pass over the text: for every replaced piece, where it stood and where its replacement stands."""

    new_starts: tuple[int, ...]
    new_ends: tuple[int, ...]
    old_starts: tuple[int, ...]
    old_ends: tuple[int, ...]

    def back(self, position: int, *, is_end: bool) -> int:
        """Return the position before this pass."""
        k = bisect_right(self.new_starts, position - is_end) - 1
        if k < 0:
            return position
        if position - is_end >= self.new_ends[k]:
            return position - self.new_ends[k] + self.old_ends[k]
        return self.old_ends[k] if is_end else self.old_starts[k]


@dataclass(frozen=True, slots=True)
class CleanText:
    """Ticket text after `clean`; the only text that the model and the rules accept.

    Attributes
    ----------
    text : str
        What the customer wrote, without markup, quoted history, signature and disclaimer.
    raw : str
        The text as it came.
    """

    text: str
    raw: str = field(repr=False, compare=False)
    _steps: tuple[_Step, ...] = field(default=(), repr=False, compare=False)

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the raw text that `text[start:end]` comes from."""
        for step in reversed(self._steps):
            start, end = step.back(start, is_end=False), step.back(end, is_end=True)
        return start, end

    @property
    def digest(self) -> str:
        """Hex SHA-256 by which the same text is recognised, whatever its case and white space."""
        return hashlib.sha256(" ".join(self.raw.casefold().split()).encode("utf-8", "replace")).hexdigest()

    def __bool__(self) -> bool:
        return bool(self.text)


def clean(raw: str) -> CleanText:
    """Turn raw ticket text into clean text.

    Parameters
    ----------
    raw : str
        What a person wrote: plain text, HTML, an e-mail with its thread, a form.

    Returns
    -------
    CleanText

    Examples
    --------
    >>> clean("Agents can&#39;t log in<br>-- <br>Asha").text
    "Agents can't log in"
    """
    text, steps = raw, []
    for find in _PASSES:
        text, step = _apply(text, find(text))
        if step:
            steps.append(step)
    return CleanText(text, raw, tuple(steps))


def _apply(text: str, edits: Iterable[Edit]) -> tuple[str, _Step | None]:
    pieces: list[str] = []
    rows: list[tuple[int, int, int, int]] = []
    at = length = 0
    for edit in edits:
        pieces += text[at : edit.start], edit.replacement
        length += edit.start - at
        rows.append((length, length + len(edit.replacement), edit.start, edit.end))
        length += len(edit.replacement)
        at = edit.end
    if not rows:
        return text, None
    pieces.append(text[at:])
    return "".join(pieces), _Step(*(tuple(column) for column in zip(*rows, strict=True)))


# --- The passes, in order -------------------------------------------------------------------------------------------

_Find = Callable[[str], Iterable[Edit]]


def _replace(
    pattern: str, replacement: str | Callable[[re.Match[str]], str], flags: int = re.IGNORECASE, *, around: str = ""
) -> _Find:
    """Replace what matches; a text without the letters `around` which it matches is not searched.

    A search is several times faster for a pattern that begins with a kind of letter, so some look back at what must
    stand before it.
    """
    compiled = re.compile(pattern, flags)

    def find(text: str) -> Iterator[Edit]:
        if around not in text:
            return
        for match in compiled.finditer(text):
            new = replacement if isinstance(replacement, str) else replacement(match)
            if new != match[0]:
                yield Edit(match.start(), match.end(), new)

    return find


def _outer_space(text: str) -> Iterator[Edit]:
    """Drop white space at both ends."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if start:
        yield Edit(0, start, "")
    if start <= end < len(text):
        yield Edit(end, len(text), "")


def _cut_after_limit(text: str) -> Iterator[Edit]:
    if len(text) > MAX_CHARACTERS:
        yield Edit(MAX_CHARACTERS, len(text), "")


_INVISIBLE = re.compile(r"<(script|style)\b[^<>]*>|<!--", re.IGNORECASE)
_ENDS = {
    "script": re.compile(r"</script\s*>", re.IGNORECASE),
    "style": re.compile(r"</style\s*>", re.IGNORECASE),
    "": re.compile("-->"),
}


def _invisible(text: str) -> Iterator[Edit]:
    """Drop scripts, styles and comments; one that never ends is a customer's word and stays."""
    at, endless = 0, set()
    for match in _INVISIBLE.finditer(text):
        kind = (match[1] or "").lower()
        if match.start() < at or kind in endless:
            continue
        if end := _ENDS[kind].search(text, match.end()):
            at = end.end()
            yield Edit(match.start(), at, " ")
        else:
            endless.add(kind)


_TAGS = (
    "a|abbr|b|blockquote|body|br|center|code|col|dd|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|img|input|label|li|link|\
meta|ol|o:p|p|pre|s|section|small|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|u|ul"
)
_BLOCKS = "blockquote|br|div|dd|dt|h[1-6]|hr|li|ol|p|pre|section|table|title|tr|ul"


def _bucket(number: int) -> str:
    """Say how many in the words that matter for a severity: one, a handful, many."""
    return "1" if number == 1 else "numfew" if number <= _HANDFUL else "nummany" if number < 1000 else "numbig"


_HANDFUL = 5
_PASSES: tuple[_Find, ...] = (
    _cut_after_limit,
    # markup
    _invisible,
    _replace(rf"</?(?:{_BLOCKS})(?:\s[^<>]*)?/?>", "\n", around="<"),
    _replace(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>", " ", around="<"),
    _replace(r"&(?:#\d{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8});", lambda m: html.unescape(m[0]), around="&"),
    # characters that only look different
    _replace("[\u200b-\u200f\u2060\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f]", ""),
    _replace(r"[\r\x85\u2028\u2029](?:(?<=\r)\n)?", "\n"),
    _replace(r"[^\S\n ][^\S\n]*| [^\S\n]+", " "),
    _replace(r" \n", "\n"),
    _replace(r"\n{3,}", "\n\n"),
    _replace("[\u2018\u2019\u02bc\u00b4`]", "'"),
    _replace("[\u201c\u201d]", '"'),
    _replace("[\u2010-\u2015]", "-"),
    # mail
    older_messages,
    disclaimer,
    signature,
    _replace(r"\A\s*(?:subject ?: ?)?(?:(?:re|fw|fwd|aw) ?:\s*)+", ""),
    _replace(r"\[ ?(?:ticket|case|request|incident)? ?[#:-]? ?[a-z]{0,5}-?\d{3,} ?\]", " "),
    _replace(r"^[ \t]*\d{1,2}[.)][ \t]+(?=\S)", "", re.MULTILINE),  # marks of a list, which count nothing
    # numbers and addresses: what they are matters, which one does not
    _replace(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+\b", "emailaddress", around="@"),
    _replace(r"\?(?<=[\w/].)[\w%&=.+~-]+", "", around="?"),
    _replace(
        r"\d(?<!\w.)(?:(?:(?<=[01])\d|(?<=2)[0-3])?[:.][0-5]\d(?::[0-5]\d)?(?:\s?[ap]\.?m\b\.?)?"
        r"|(?<=[1-9])(?:(?<=1)[0-2])?\s?[ap]\.?m\b\.?)",
        "clocktime",
    ),
    _replace(r"\d(?<!\w.)\d{0,3}[-/.](?:\d{1,2}|[a-z]{3})[-/.]\d{2,4}\b", "calendardate"),
    _replace(r"[+\d](?:(?<=\+)\d|(?<=\d))[\d ()-]{6,}\d", "longnumber"),
    _replace(
        r"[a-f0-9](?<!\w.)(?=[a-f0-9]{7})(?:(?<=\d)|(?=[\w-]{0,98}\d))[a-f0-9]{7,}(?:-[a-f0-9]{4,})*\b", "longnumber"
    ),
    _replace(r"\d\d{4,}", "longnumber"),
    _replace(r"\d(?<!\w.)\d{0,3}\b", lambda m: _bucket(int(m[0]))),
    # white space
    _replace(r" {2,}", " "),
    _replace(r"(?: \n|\n(?=[ \n]))[ \n]*", "\n"),
    _outer_space,
)
