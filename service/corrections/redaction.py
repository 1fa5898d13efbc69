"""Personal data and secrets in a text, replaced by placeholders before the text is written anywhere.

What is left must still route and train like the original: the digits that tell faults apart (counts, times,
dates, addresses, error codes) stay, and `for_training` turns placeholders into the words that cleaning writes
for the same things.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from phonenumbers import PhoneNumberMatcher
from stdnum import luhn
from stdnum.in_ import aadhaar, pan

EMAIL, PHONE, CARD, ID, KEY = "<email>", "<phone>", "<card>", "<id>", "<key>"

_DEFAULT_COUNTRY = "IN"  # whose national numbers are recognised without a country code
_LONG_RUN = 9  # digits in a row that no count, port, date or error code has


def redact(text: str) -> str:
    """Replace personal data and secrets by placeholders.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text with `<email>`, `<phone>`, `<card>`, `<id>` and `<key>`. Redacting again changes nothing.

    Examples
    --------
    >>> redact("Call Asha on +91 98765 43210 or asha@example.com, 60 agents down since 10:30, error 503")
    'Call Asha on <phone> or <email>, 60 agents down since 10:30, error 503'
    """
    while True:  # every change removes characters that are no placeholder, so this ends
        before = text
        for replace in _STEPS:
            text = replace(text)
        if text == before:
            return text


def for_training(text: str) -> str:
    """Turn placeholders into the words that `model.text.clean` writes for what they stand for.

    Examples
    --------
    >>> for_training("mail <email>, call <phone>")
    'mail emailaddress, call longnumber'
    """
    return _ANY_NUMBER.sub("longnumber", text.replace(EMAIL, "emailaddress"))


_ANY_NUMBER = re.compile("|".join([PHONE, CARD, ID, KEY]))

# --- Keys, tokens and passwords -----------------------------------------------------------------------------

_SECRET = (
    r"(?:pass(?:word|wd|code|phrase)?|pwd|otp|pin|secret|(?:client|app)[ _-]?secret|token"
    r"|(?:api|access|secret|private|auth|license|app)[ _-]?(?:key|token)|(?:refresh|session|jwt)[ _-]?token)"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,30}KEY-----[^<>-]*-----END [A-Z ]{0,30}KEY-----")
_CLOUD_KEY = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")
_BEARER = re.compile(r"\b(bearer|basic)([ \t]+)(?=[\w.~+/=-]*\d)[\w.~+/-]{8,}=*", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?")
_QUERY = re.compile(rf"(?<=[?&;])({_SECRET}=)[^&\s\"'<>#]+", re.IGNORECASE)
_NAMED = re.compile(
    rf"""(?<![a-z]) (?P<label>{_SECRET} ["']?)
    (?P<between> \s*(?:=>|:=|[:=])\s* | \s+(?:is|was|-|->)\s+(?:[:=]\s*)? )
    (?P<quote>["']?) (?P<value>[^\s"'<>]{{3,}})""",
    re.IGNORECASE | re.VERBOSE,
)
# Words that follow "password is" or "token:" in complaints, and are no secret.
_NO_SECRET = re.compile(
    r"(?:accepted|again|also|and|are|asking|blank|blocked|cannot|changed|coming|correct|disabled|does|"
    r"empty|enabled|error|expired|expiring|failed|failing|failure|field|fine|for|forgotten|from|"
    r"generated|getting|has|have|incorrect|invalid|length|link|locked|login|lost|mandatory|mismatch|"
    r"missing|needed|never|none|not|null|optional|page|please|received|rejected|required|reset|right|"
    r"same|sent|should|showing|shown|still|the|too|undefined|unknown|updated|valid|when|with|working|"
    r"wrong)",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"\s*(?:$|[\n.,;)|])|\s+(?:and|user(?:name|id)?|login|id)\b", re.IGNORECASE)


def _named_secret(match: re.Match[str]) -> str:
    value = match["value"].rstrip(".,;:!?)")
    if not value or not _is_secret(match, value):
        return match[0]
    return match["label"] + match["between"] + match["quote"] + KEY + match["value"][len(value) :]


def _is_secret(match: re.Match[str], value: str) -> bool:
    if "=" in match["between"]:
        return True
    if _NO_SECRET.fullmatch(value):
        return False
    if match["quote"]:
        return True
    if value.isalpha():  # a word: a secret only where the sentence ends with it
        return _CLAUSE_END.match(match.string, match.start("value") + len(value)) is not None
    if ":" in match["between"]:
        return True
    return len(value) >= 4 and any(c.isdigit() or c in "@#$%^&*!_" for c in value)


_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_HEX = re.compile(r"(?<![A-Za-z0-9])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{16,}(?![A-Za-z0-9])", re.IGNORECASE)
_OPAQUE = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,}={0,2}")


def _opaque(match: re.Match[str]) -> str:
    """Replace a long string that changes between digits, capitals and small letters more than words do."""
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" if c.islower() else "s" for c in match[0]]
    letters_digits = [k for k in kinds if k != "s"]
    changes = sum(a != b for a, b in pairwise(letters_digits))
    mixed = kinds.count("d") >= 3 and len(letters_digits) - kinds.count("d") >= 3
    return KEY if mixed and changes >= 0.3 * len(letters_digits) else match[0]


# --- Addresses and numbers ----------------------------------------------------------------------------------

_EMAIL = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}(?!\w)")
_PAN = re.compile(r"(?<!\w)[A-Z]{5}\d{4}[A-Z](?!\w)", re.IGNORECASE | re.ASCII)
_CARD = re.compile(
    r"(?<![\d.])"
    r"(?:[2-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3\d{3}([ -])\d{6}\2\d{4,5})"
    r"(?![\d.]?\d)",
    re.ASCII,
)
_AADHAAR = re.compile(r"(?<!\d)[2-9]\d{3}([ -])\d{4}\1\d{4}(?!\d)", re.ASCII)
_ABROAD = re.compile(r"\+\d(?:[ ()-]{0,2}\d){7,14}(?!\d)", re.ASCII)
_DIGITS = re.compile(rf"\d{{{_LONG_RUN},}}")

# What a phone number could be mistaken for: dates, times of day, addresses of the internet.
_NO_PHONE = re.compile(
    r"""(?<![\d+]) (?:
        (?:19|20)\d\d ([-/.]) (?:0?[1-9]|1[0-2]) \1 (?:0?[1-9]|[12]\d|3[01])
      | (?:0?[1-9]|[12]\d|3[01]) ([-/.]) (?:0?[1-9]|[12]\d|3[01]) \2 (?:(?:19|20)\d\d|\d\d)
      | (?:\d{1,3}\.){3}\d{1,3} (?: :\d{1,5})?
      | (?:[01]?\d|2[0-3]) :[0-5]\d (?: :[0-5]\d)? (?: [.,]\d{1,6})?
    ) (?!\d)""",
    re.VERBOSE | re.ASCII,
)
_MAY_HOLD_PHONE = re.compile(r"\d(?:[^\w<>]{0,4}\d){6}")


def _phones(text: str) -> str:
    if not _MAY_HOLD_PHONE.search(text):  # looking for phone numbers is by far the slowest step
        return text
    masked = _NO_PHONE.sub(lambda match: "x" * len(match[0]), text)
    pieces: list[str] = []
    at = 0
    for match in PhoneNumberMatcher(masked, _DEFAULT_COUNTRY):
        start = match.end - len(match.raw_string.lstrip())
        pieces += text[at:start], PHONE
        at = match.end
    return "".join([*pieces, text[at:]])


def _sub(pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    return lambda text: pattern.sub(replacement, text)


_STEPS: tuple[Callable[[str], str], ...] = (
    _sub(_PRIVATE_KEY, KEY),
    _sub(_CLOUD_KEY, KEY),
    _sub(_JWT, KEY),
    _sub(_BEARER, rf"\1\2{KEY}"),
    _sub(_QUERY, rf"\1{KEY}"),
    _sub(_EMAIL, EMAIL),  # before named secrets: "password - asha@example.com" is an address
    _sub(_NAMED, _named_secret),
    _sub(_UUID, ID),
    _sub(_PAN, lambda match: ID if pan.is_valid(match[0]) else match[0]),
    _sub(_CARD, lambda match: CARD if luhn.is_valid(re.sub(r"\D", "", match[0])) else ID),
    _sub(_AADHAAR, lambda match: ID if aadhaar.is_valid(match[0].replace("-", "")) else match[0]),
    _phones,
    _sub(_ABROAD, PHONE),  # looks like one, though its country knows no such number
    _sub(_HEX, KEY),
    _sub(_OPAQUE, _opaque),
    _sub(_DIGITS, ID),
)
