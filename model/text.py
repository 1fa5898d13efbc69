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

MAX_CHARACTERS = 20_000  # longer texts are cut here by cleaning; the newest message stands first


@dataclass(frozen=True, slots=True)
class _Edit:
    """The replacement of `before[start:end]` by `replacement`."""

    start: int
    end: int
    replacement: str


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


def _apply(text: str, edits: Iterable[_Edit]) -> tuple[str, _Step | None]:
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

_Find = Callable[[str], Iterable[_Edit]]


def _replace(pattern: str, replacement: str | Callable[[re.Match[str]], str], flags: int = re.IGNORECASE) -> _Find:
    compiled = re.compile(pattern, flags)

    def find(text: str) -> Iterator[_Edit]:
        for match in compiled.finditer(text):
            new = replacement if isinstance(replacement, str) else replacement(match)
            if new != match[0]:
                yield _Edit(match.start(), match.end(), new)

    return find


def _cut_after_limit(text: str) -> Iterator[_Edit]:
    if len(text) > MAX_CHARACTERS:
        yield _Edit(MAX_CHARACTERS, len(text), "")


_INVISIBLE = re.compile(r"<(script|style)\b[^<>]*>|<!--", re.IGNORECASE)
_ENDS = {
    "script": re.compile(r"</script\s*>", re.IGNORECASE),
    "style": re.compile(r"</style\s*>", re.IGNORECASE),
    "": re.compile("-->"),
}


def _invisible(text: str) -> Iterator[_Edit]:
    """Drop scripts, styles and comments; one that never ends is a customer's word and stays."""
    at, endless = 0, set()
    for match in _INVISIBLE.finditer(text):
        kind = (match[1] or "").lower()
        if match.start() < at or kind in endless:
            continue
        if end := _ENDS[kind].search(text, match.end()):
            at = end.end()
            yield _Edit(match.start(), at, " ")
        else:
            endless.add(kind)


_TAGS = (
    "a|abbr|b|blockquote|body|br|center|code|col|dd|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|img|input|label|li|link|\
meta|ol|o:p|p|pre|s|section|small|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|u|ul"
)
_BLOCKS = "blockquote|br|div|dd|dt|h[1-6]|hr|li|ol|p|pre|section|table|title|tr|ul"

# The patterns from here on are read after white space is collapsed, and none may try one stretch of text in many ways:
# anybody can send a text, and one that takes minutes to clean would stop a serving process.

# A message of a thread begins here: "On ... wrote:", a forwarded block, or a mail header.
_MESSAGE_START = re.compile(
    r"""^[ \t]*(?:
        >*[ ]*on\b[^\n]{4,160}(?:\n[^\n]{0,80})?\b(?:wrote|writes)[ ]?:[ \t]*$
      | >*[ ]*(?:le|el|am|il)\b[^\n]{4,160}\b(?:écrit|escribi.|schrieb|scritto)[^\n]{0,80}:[ \t]*$
      | [> ]*[-_]{2,}[ ]?(?:original|forwarded)[ ](?:message|e?-?mail)[ ]?[-_]{2,}
      | [> ]*begin[ ]forwarded[ ]message:?
      | [> ]*(?:[-_]{5,}[ ]?\n{1,2}[> ]*)?from:[^\n]{2,200}
        (?:\n(?:[> ]*\n){0,4}[> ]*(?:sent|date|to|cc|subject|reply-to):[^\n]*)+(?=\n)
    )""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_QUOTED_LINE = re.compile(r"^[ \t]*(?:>|&gt;)[^\n]*(?:\n|\Z)", re.MULTILINE)
_SIGN_OFF = re.compile(
    r"""^[ \t]*(?:
        --[ ]?$
      | (?=(?:many|kind|with|and|&|[ ]){0,9}(?:best|warm|thanks|thx|thank[ ]you|regards|rgds|br|sincerely|cheers|yours))
        (?:many|kind|best|warm|with|thanks|thx|thank[ ]you|regards|rgds|br|sincerely|cheers|yours
            |faithfully|truly|in[ ]advance|and|&|[ ])+[,.!]*[ \t]*$
      | sent[ ]from[ ]my[ ][^\n]{2,60}$
      | get[ ]outlook[ ]for[ ][^\n]{2,60}$
    )""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_DISCLAIMER = re.compile(
    r"""^[ \t*_"]*(?:
        disclaimer\b | confidentiality\b | confidential[ ](?:notice|information)\b | legal[ ]notice\b
      | \[?external\b[^\n]{0,12}mail
      | this[ ](?:e-?mail|message|communication|transmission)\b[^\n]{0,120}\b(?:confidential|intended|privileged)
      | the[ ](?:information|contents?)\b[^\n]{0,80}\b(?:e-?mail|message|communication)\b[^\n]{0,120}
        \b(?:confidential|intended|privileged)
      | please[ ]consider[ ]the[ ]environment
    )""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
# Words of a covering note: they say nothing of an issue, so the message below them is kept.
_COVERING_WORDS = re.compile(
    r"""\b(?:hi|hello|dear|team|sir|madam|all|everyone|folks|guys|please|pls|plz|kindly|do|the|needful|see|check|find|look|refer|revert|respond|reply|help|
        assist|urgent(?:ly)?|asap|priority|on|at|it|to|this|that|into|in|below|above|trail(?:ing)?|mail|e-?mail|thread|message|fyi|fya|pfb|pfa|any|update|status|
        still|waiting|awaiting|pending|for|your|you|can|could|someone|we|i|am|are|is|there|forwarding|forwarded|fwd|as|discussed|requested|thanks|thank|and|
        again|gentle|reminder|follow(?:ing)?|up|issue|ticket|not|resolved|yet|what|about|from|our|client|customer|colleague|sharing|details)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_POINTS_BELOW = re.compile(
    r"""\b(?:below|beneath|underneath|forward(?:ing|ed)|(?:mail|email)[ ]chain|trail(?:ing)?[ ]?mail
        |same[ ]as|any[ ]news)\b""",
    re.IGNORECASE | re.VERBOSE,
)
# The newest message says that it is over: what stands below it would only contradict it. A question, a negation or a
# condition takes that back, since an issue that is thrown away unread costs more than one that is read twice.
_SAYS_OVER = re.compile(
    r"""\b(?:
        (?:is|are|it's|all|been|got|now|confirmed)[ ](?:now[ ])?(?:fixed|resolved|solved|sorted|restored)
      | (?:fixed|resolved|solved|working|works|fine|ok|okay|good)[ ](?:(?:fine|well|ok)[ ])?now
      | (?:please|pls)[ ]close | false[ ]alarm | no(?:thing)?[ ]further | (?:theek|thik|sahi)[ ]ho[ ]?ga?ya
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_TAKES_BACK = re.compile(
    r"""\?|n't\b|\b(?:not|never|no[ ]one|nobody|none|cannot|until|till|unless|when|if|once|still|yet|but|except|again
        |was|were|stopped|priority|urgent|asap|nahi|nahin|nhi|kab|abhi)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_SELF_CONTAINED = 9  # this many telling words make the newest message stand alone
_COVERING_NOTE = 40  # words at most in a message that only points at the one below it


def _stands_alone(message: str) -> bool:
    """Say whether the newest message of a thread can be understood, and must be, without the one below it."""
    if _POINTS_BELOW.search(message) and len(message.split()) <= _COVERING_NOTE:
        return False
    if _SAYS_OVER.search(message) and not _TAKES_BACK.search(message):
        return True
    return len(_WORD.findall(_COVERING_WORDS.sub(" ", message))) >= _SELF_CONTAINED


def _older_messages(text: str) -> Iterator[_Edit]:
    """Drop the quoted history, unless the newest message only points at it."""
    starts = [m.span() for m in _MESSAGE_START.finditer(text)]
    quoted = _QUOTED_LINE.search(text)
    first = min([*(start for start, _ in starts), *([quoted.start()] if quoted else [])], default=None)
    if first is None:
        return
    newest = text[: _end_of_words(text[:first])]
    if _stands_alone(newest):
        if text[first:].lstrip().startswith(">") and not starts:  # answers written between quoted lines
            yield from (_Edit(m.start(), m.end(), "") for m in _QUOTED_LINE.finditer(text))
        else:
            yield _Edit(first, len(text), "\n")
        return
    if len(newest) < first:  # else all that follows the covering note would pass for its signature
        yield _Edit(len(newest), first, "\n")
    yield from _unquote(text, first, starts)


def _unquote(text: str, first: int, starts: list[tuple[int, int]]) -> Iterator[_Edit]:
    """Keep the newest of the quoted messages, without its marks."""
    end, read = len(text), first
    for start, stop in starts:
        if text[read:start].strip(" >\n"):
            end = start
            break
        read = stop
    marks = re.compile(
        _MESSAGE_START.pattern + r"|^[> ]*(?:from|sent|date|to|cc|bcc):[^\n]*$|^[ ]*>[> ]*", _MESSAGE_START.flags
    )
    for match in marks.finditer(text, first, end):
        if match.end() > match.start():
            subject = re.search(r"^[> ]*subject:[ ]*", match[0], re.IGNORECASE | re.MULTILINE)
            stop = match.start() + subject.end() if subject else match.end()
            yield _Edit(match.start(), stop, "")
    if end < len(text):
        yield _Edit(end, len(text), "\n")


def _end_of_words(text: str) -> int:
    """Return where signature and disclaimer of a message begin."""
    edits = (*_disclaimer(text), *_signature(text))
    return min((edit.start for edit in edits if edit.end == len(text)), default=len(text))


def _signature(text: str) -> Iterator[_Edit]:
    """Drop what follows a sign-off, if it looks like a signature: short lines up to the end of the text."""
    top, tail = len(text) - len(text.lstrip()), _short_lines(text)
    for match in _SIGN_OFF.finditer(text):
        if match.start() > top and match.end() >= tail:
            yield _Edit(match.start(), len(text), "")
            return


def _short_lines(text: str) -> int:
    """Return where the last lines of a text begin that are few and short enough for a signature."""
    start, left = len(text), _SIGNATURE_LINES
    while start > 0:
        before = max(text.rfind("\n", 0, start), 0)
        line = text[before:start].strip()
        left -= bool(line)
        if left < 0 or len(line) > _SIGNATURE_WIDTH:
            break
        start = before
    return start


def _disclaimer(text: str) -> Iterator[_Edit]:
    """Drop a legal notice: to the end of the text, or to the end of its paragraph where it stands on top."""
    for match in _DISCLAIMER.finditer(text):
        if text[: match.start()].strip():
            yield _Edit(match.start(), len(text), "")
            return
        end = text.find("\n\n", match.end())
        if end > 0 and text[end:].strip():
            yield _Edit(match.start(), end, "")
            return


def _bucket(number: int) -> str:
    """Say how many in the words that matter for a severity: one, a handful, many."""
    return "1" if number == 1 else "numfew" if number <= _HANDFUL else "nummany" if number < 1000 else "numbig"


_SIGNATURE_LINES, _SIGNATURE_WIDTH = 12, 90
_HANDFUL = 5
_PASSES: tuple[_Find, ...] = (
    _cut_after_limit,
    # markup
    _invisible,
    _replace(rf"</?(?:{_BLOCKS})(?:\s[^<>]*)?/?>", "\n"),
    _replace(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>", " "),
    _replace(r"&(?:#\d{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8});", lambda m: html.unescape(m[0])),
    # characters that only look different
    _replace("[\u200b-\u200f\u2060\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f]", ""),
    _replace(r"\r\n?|[\x85\u2028\u2029]", "\n"),
    _replace(r"[^\S\n]+", " "),
    _replace(r" \n", "\n"),
    _replace(r"\n{3,}", "\n\n"),
    _replace("[\u2018\u2019\u02bc\u00b4`]", "'"),
    _replace("[\u201c\u201d]", '"'),
    _replace("[\u2010-\u2015]", "-"),
    # mail
    _older_messages,
    _disclaimer,
    _signature,
    _replace(r"\A\s*(?:subject ?: ?)?(?:(?:re|fw|fwd|aw) ?:\s*)+", ""),
    _replace(r"\[ ?(?:ticket|case|request|incident)? ?[#:-]? ?[a-z]{0,5}-?\d{3,} ?\]", " "),
    _replace(r"^[ \t]*\d{1,2}[.)][ \t]+(?=\S)", "", re.MULTILINE),  # marks of a list, which count nothing
    # numbers and addresses: what they are matters, which one does not
    _replace(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+\b", "emailaddress"),
    _replace(r"(?<=[\w/])\?[\w%&=.+~-]+", ""),
    _replace(
        r"\b(?:[01]?\d|2[0-3])[:.][0-5]\d(?::[0-5]\d)?(?:\s?[ap]\.?m\b\.?)?|\b(?:1[0-2]|[1-9])\s?[ap]\.?m\b\.?",
        "clocktime",
    ),
    _replace(r"\b\d{1,4}[-/.](?:\d{1,2}|[a-z]{3})[-/.]\d{2,4}\b", "calendardate"),
    _replace(r"\+?\d[\d ()-]{6,}\d", "longnumber"),
    _replace(r"\b(?=[a-f0-9]{8})(?=[\w-]{0,99}\d)[a-f0-9]{8,}(?:-[a-f0-9]{4,})*\b", "longnumber"),
    _replace(r"\d{5,}", "longnumber"),
    _replace(r"\b\d{1,4}\b", lambda m: _bucket(int(m[0]))),
    # white space
    _replace(r" {2,}", " "),
    _replace(r" ?\n[ \n]*", "\n"),
    _replace(r"\A\s+|\s+\Z", ""),
)
