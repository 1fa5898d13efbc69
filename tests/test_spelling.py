"""A word that is one slip away from a known one is read as that one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import spelling as module
from model.spelling import Spelling

WORDS = st.text("abcdeéकख", min_size=4, max_size=9)


@given(WORDS, st.integers(0, 3), st.integers(0, 8), st.sampled_from("abcdeéकख"))
def test_every_slip_is_mended(word, slip, place, letter):
    place %= len(word)
    head, tail = word[:place], word[place:]
    wrong = (
        head + tail[1:],  # dropped
        head + letter + tail,  # added
        head + letter + tail[1:],  # changed
        head + tail[1:2] + tail[:1] + tail[2:],  # swapped
    )[slip]
    if len(wrong) >= 4:
        assert Spelling((word,)).known(wrong) == word


@pytest.mark.parametrize("word", ["", "a", "agn", "xgnet", "agentsss", "dashboard"])
def test_what_is_further_away_is_not_known(word):
    assert Spelling(("agents",)).known(word) is None


@pytest.mark.parametrize(
    ("word", "other"), [("tops", "stop"), ("dirt", "edit"), ("refers", "prefer"), ("faded", "added"), ("abcd", "badc")]
)
def test_a_form_in_common_is_not_enough(word, other):
    assert Spelling((other,)).known(word) is None


def test_a_word_that_is_near_wins_over_a_more_frequent_one_that_only_looks_it():
    assert Spelling(("stop", "tips")).known("tops") == "tips"


def test_short_words_are_known_only_as_they_are():
    spelling = Spelling(("ivr", "pri"))
    assert spelling.known("ivr") == "ivr"
    assert spelling.known("ivrr") is None


def test_endless_words_are_not_looked_for():
    spelling = Spelling(("agents", "a" * 40))
    assert spelling.known("a" * 40) == "a" * 40
    assert spelling.known("a" * 41) is None
    assert not spelling._found


def test_a_known_word_stays_itself_and_else_the_most_frequent_wins():
    spelling = Spelling(("calls", "call", "cells"))
    assert spelling.known("cells") == "cells"
    assert spelling.known("cclls") == "calls"


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 10)
    spelling = Spelling(("agents",))
    pick = random.Random(0)
    for _ in range(100):
        spelling.known("".join(pick.choices("agents", k=6)))
        assert len(spelling._found) <= 10
    assert spelling.known("agenst") == "agents"
