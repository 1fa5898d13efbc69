"""What a version says of texts by authors whom it had not read, as the registry keeps it: digests, no texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd

from model.decision import Decision
from model.evaluation import LABELS, decisions_frame
from model.policy import UNSURE
from model.text import CleanText, clean

TRUTH = (*LABELS, "impact")
ABOUT = ("language", "group", "length")
_CONFIDENCES = [f"{label}_confidence" for label in UNSURE]
_LENGTHS = {5: "1 to 5 words", 15: "6 to 15 words", 40: "16 to 40 words", 100: "41 to 100 words"}
_LONGER = "over 100 words"


def digests(texts: Sequence[str]) -> list[str]:
    """Return hex SHA-256 of the clean texts: the same for texts that a model cannot tell apart.

    (`CleanText.digest` is stricter: a person's word about "3 agents" does not settle "4 agents" unseen.)

    Examples
    --------
    >>> one, other = digests(["3 agents cannot log in", "<p>4 agents CANNOT log in</p>"])
    >>> one == other
    True
    """
    return [digest(clean(text)) for text in texts]


def digest(text: CleanText) -> str:
    """Return the hex SHA-256 of one clean text; see `digests`."""
    return hashlib.sha256(" ".join(text.text.casefold().split()).encode("utf-8", "replace")).hexdigest()


def out_of_group_frame(
    examples: pd.DataFrame, decisions: Sequence[Decision], texts: Sequence[CleanText] | None = None
) -> pd.DataFrame:
    """Return decisions with the truth beside them.

    Parameters
    ----------
    examples : pandas.DataFrame
        As `examples.check_examples` returns them.
    decisions : sequence of Decision
        One for each example, made without having read the example's group.
    texts : sequence of CleanText, optional
        The clean texts of the examples, where they are at hand.

    Returns
    -------
    pandas.DataFrame
        `digest`; `language`, `group` and `length` of the text; the decision as `evaluation.decisions_frame` has it;
        the right labels and the impact as `true_<label>`. A text that stands twice is there once.
    """
    cleaned = [clean(text) for text in examples["text"]] if texts is None else texts
    about = pd.DataFrame(
        {
            "digest": [digest(text) for text in cleaned],
            "language": examples["language"].to_numpy(),
            "group": examples["group"].to_numpy(),
            "length": [length(text.text) for text in cleaned],
        }
    )
    truth = examples[list(TRUTH)].add_prefix("true_").reset_index(drop=True)
    frame = pd.concat([about, decisions_frame(decisions), truth], axis=1)
    return frame.drop_duplicates("digest", keep="last", ignore_index=True)


def length(text: str) -> str:
    """Return how long a text is, in the words of a table.

    Examples
    --------
    >>> length("calls drop")
    '1 to 5 words'
    """
    words = len(text.split())
    return next((name for most, name in _LENGTHS.items() if words <= most), _LONGER)


def truth_of(kept: pd.DataFrame) -> pd.DataFrame:
    """Return the truth of a table made by `out_of_group_frame`, also when it was read back from a file."""
    columns = {f"true_{label}": label for label in TRUTH}
    truth = kept[[*columns, *ABOUT]].rename(columns=columns)
    truth["length"] = pd.Categorical(truth["length"], [*_LENGTHS.values(), _LONGER], ordered=True)  # so tables are too
    return truth


def decided_of(kept: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions of a table made by `out_of_group_frame`, also when it was read back from a file."""
    decided = kept[[*LABELS, "decided_by", "review_reasons"]].copy()
    # a file holds words, and the word "False" is as true as any other
    decided["needs_review"] = kept["needs_review"].astype(str) == "True"
    for column in _CONFIDENCES:
        decided[column] = pd.to_numeric(kept[column], errors="coerce")
    return decided
