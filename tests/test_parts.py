"""A text is read in parts too, so that a grave matter is not lost among small ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.parts import parts_of
from model.text import clean


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("IVR is down", []),
        ("", []),
        ("IVR is down. Thanks", []),
        ("report lacks a column, ivr is down", ["report lacks a column,", "ivr is down"]),
        ("reports slow and agent portal down", ["reports slow", "agent portal down"]),
        (
            "1) new user 2) chat widget dead 3) training",
            ["new user", "numfew) chat widget dead", "numfew) training"],
        ),
        ("login nahi ho raha। रिपोर्ट धीमी है।", ["login nahi ho raha।", "रिपोर्ट धीमी है।"]),
        ("one line\nanother line", ["one line", "another line"]),
        ("version 2.5 is out", []),
    ],
)
def test_sentences_clauses_and_list_items(raw, parts):
    assert [part.text for part in parts_of(clean(raw))] == parts


@given(st.text(max_size=200))
def test_parts_are_of_the_text_and_never_one_alone(raw):
    text = clean(raw)
    parts = parts_of(text)
    assert len(parts) != 1
    at = 0
    for part in parts:
        at = text.text.index(part.text, at) + len(part.text)


def test_the_parts_of_an_endless_text_are_bounded():
    assert len(parts_of(clean("agents wait. " * 1000))) == 40
