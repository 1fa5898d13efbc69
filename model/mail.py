"""What of a mail is its writer's own newest word: without quoted history, signature and legal notices.

The patterns are read after white space is collapsed, and none may try one stretch of text in many ways: anybody can
send a text, and one that takes minutes to clean would stop a serving process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True)
class Edit:
    """The replacement of `before[start:end]` by `replacement`."""

    start: int
    end: int
    replacement: str


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
_COVERING = """
hi hello dear team sir madam all everyone folks guys please pls plz kindly do the needful see check find look refer
revert respond reply help assist urgent urgently asap priority on at it to this that into in below above trail
trailing mail email thread message fyi fya pfb pfa any update status still waiting awaiting pending for your you can
could someone we i am are is there forwarding forwarded fwd as discussed requested thanks thank and again gentle
reminder follow following up issue ticket not resolved yet what about from our client customer colleague sharing
details
"""
_COVERING_WORDS = frozenset(_COVERING.split())
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
_SIGNATURE_LINES, _SIGNATURE_WIDTH = 12, 90
_WORD = re.compile(r"[^\W\d_]{2,}")
_SELF_CONTAINED = 9  # this many telling words make the newest message stand alone
_COVERING_NOTE = 40  # words at most in a message that only points at the one below it


def _stands_alone(message: str) -> bool:
    """Say whether the newest message of a thread can be understood, and must be, without the one below it."""
    if len(message.split()) <= _COVERING_NOTE and _POINTS_BELOW.search(message):
        return False
    telling = (word for word in _WORD.findall(message.lower()) if word not in _COVERING_WORDS)
    if sum(1 for _ in islice(telling, _SELF_CONTAINED)) == _SELF_CONTAINED:
        return True
    return bool(_SAYS_OVER.search(message)) and not _TAKES_BACK.search(message)


def older_messages(text: str) -> Iterator[Edit]:
    """Drop the quoted history, unless the newest message only points at it."""
    starts = [m.span() for m in _MESSAGE_START.finditer(text)]
    quoted = _QUOTED_LINE.search(text)
    first = min([*(start for start, _ in starts), *([quoted.start()] if quoted else [])], default=None)
    if first is None:
        return
    newest = text[: _end_of_words(text[:first])]
    if _stands_alone(newest):
        if text[first:].lstrip().startswith(">") and not starts:  # answers written between quoted lines
            yield from (Edit(m.start(), m.end(), "") for m in _QUOTED_LINE.finditer(text))
        else:
            yield Edit(first, len(text), "\n")
        return
    if len(newest) < first:  # else all that follows the covering note would pass for its signature
        yield Edit(len(newest), first, "\n")
    yield from _unquote(text, first, starts)


def _unquote(text: str, first: int, starts: list[tuple[int, int]]) -> Iterator[Edit]:
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
            yield Edit(match.start(), stop, "")
    if end < len(text):
        yield Edit(end, len(text), "\n")


def _end_of_words(text: str) -> int:
    """Return where signature and disclaimer of a message begin."""
    edits = (*disclaimer(text), *signature(text))
    return min((edit.start for edit in edits if edit.end == len(text)), default=len(text))


def signature(text: str) -> Iterator[Edit]:
    """Drop what follows a sign-off, if it looks like a signature: short lines up to the end of the text."""
    top, tail = len(text) - len(text.lstrip()), _short_lines(text)
    for match in _SIGN_OFF.finditer(text):
        if match.start() > top and match.end() >= tail:
            yield Edit(match.start(), len(text), "")
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


def disclaimer(text: str) -> Iterator[Edit]:
    """Drop a legal notice: to the end of the text, or to the end of its paragraph where it stands on top."""
    for match in _DISCLAIMER.finditer(text):
        if text[: match.start()].strip():
            yield Edit(match.start(), len(text), "")
            return
        end = text.find("\n\n", match.end())
        if end > 0 and text[end:].strip():
            yield Edit(match.start(), end, "")
            return
