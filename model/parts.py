"""A text in parts, so that a grave matter is not lost among small ones.

The severity of a text that tells of several issues is that of the gravest, but a bag of n-grams goes by the majority of
its words. So the parts are read on their own as well.
"""

from __future__ import annotations

import re

from model.text import CleanText

_LEAST_WORDS = 2
_MOST = 40  # parts that are read of one text
_END = re.compile(
    r"""(?<=[.!?;,\u0964])\s+ | \n
      | \s+(?:and|also|but|plus|aur|&|\+)\s+
      | \s+(?=(?:1|numfew|nummany|[a-h])[.)]\s)  # marks of a list within a line; numbers are cleaned to their size
    """,
    re.VERBOSE | re.IGNORECASE,
)


def parts_of(text: CleanText) -> list[CleanText]:
    """Return the sentences, clauses and list items of a text.

    Returns
    -------
    list of CleanText
        Empty where the text has fewer than two parts.

    Examples
    --------
    >>> from model.text import clean
    >>> [part.text for part in parts_of(clean("Report lacks a column, IVR is down. Thanks"))]
    ['Report lacks a column,', 'IVR is down.']
    """
    parts = [part.strip() for part in _END.split(text.text)]
    found = [CleanText(part, part) for part in parts if len(part.split()) >= _LEAST_WORDS][:_MOST]
    return found if len(found) > 1 else []
