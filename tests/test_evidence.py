"""Evidence is what the customer wrote, where they wrote it, and what moved the decision."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.text import clean

RAWS = [
    "Agent portal is down",
    "<p>Hello,</p><p>our <b>IVR</b> is&nbsp;not   working since 10:30&nbsp;am</p><p>Regards<br>Asha</p>",
    "FYI\n\n> From: B\n> Subject: dialer\n>\n> Outbound dialer is not working",
    "chat   widget \U0001f600 is\u200b not \u201cworking\u201d &amp; dead",
    "Re: [#12345] reports mismatch, see https://x.com/a?b=1 and asha@example.com, 60 agents",
    "\u0130PRI is down / flapping",
    "\u0932\u0949\u0917\u093f\u0928 agent portal \u0928\u0939\u0940\u0902",
    "webrtc webrtc webrtc WEBRTC",
]


def check(raw, decision):
    evidence = decision.evidence
    for part in evidence:
        assert raw[part.start : part.end] == part.words
        assert part.words.strip()
        assert part.label in (decision.labels.issue_type, decision.labels.severity)
        assert part.weight >= 0
    assert [e.weight for e in evidence] == sorted((e.weight for e in evidence), reverse=True)
    assert len(evidence) <= 6
    return evidence


@pytest.mark.parametrize("raw", RAWS)
def test_evidence_is_what_was_written(tiny_router, raw):
    decision = tiny_router.route(raw).decision
    assert check(raw, decision)


def test_evidence_on_real_tickets(tiny_router, examples):
    some = examples["text"].sample(60, random_state=2).tolist()
    wrapped = [f"<div>{raw.replace(' ', '&nbsp;')}</div>" for raw in some[:20]]
    for raw, decision in zip(some + wrapped, tiny_router.decide_many(some + wrapped, explain=True), strict=True):
        check(raw, decision)


@settings(max_examples=50)
@given(st.text(max_size=80), st.sampled_from(["agent portal down", "<b>ivr</b> dead", ""]))
def test_evidence_of_any_text(tiny_router, around, words):
    raw = around + " " + words
    check(raw, tiny_router.route(raw).decision)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ("Cloud Agent WebRTC is not working", "webrtc"),
        ("Cloud Agent Outbound Dialer is not working", "dialer"),
        ("Cloud Agent Chat widget is not working", "widget"),
    ],
)
def test_the_telling_word_is_named(tiny_router, raw, word):
    assert word in {e.words.lower() for e in tiny_router.route(raw).decision.evidence}


def test_whole_words_are_shown(tiny_router):
    raw = "Outbound dialer, not working: the floor idles"
    words = set(re.findall(r"\w+", raw))
    assert {e.words for e in tiny_router.route(raw).decision.evidence} <= words


def test_no_evidence_is_looked_for_when_nobody_asks(tiny_router):
    [decision] = tiny_router.decide_many(["Agent portal is down"])
    assert decision.evidence == ()
    assert decision.alternatives == ()


def test_an_empty_text_has_none(tiny_router):
    assert tiny_router.route(clean("<p></p>").raw).decision.evidence == ()
