"""Cleaning keeps what the customer said, drops the rest, and remembers where every word stood."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.text import MAX_CHARACTERS, clean

ISSUE = "Agents cannot log in to the toolbar since morning"
LEGAL = "DISCLAIMER: This e-mail is confidential and intended for the addressee only. Delete it otherwise."

# --- Markup ---


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("", ""),
        (" \n\t\r\n ", ""),
        ("IVR dead", "IVR dead"),
        ("<p>IVR <b>dead</b></p>", "IVR dead"),
        ("<P STYLE='x'>IVR</P><DIV>dead</DIV>", "IVR\ndead"),
        ("IVR<br>dead<br/>now<br />", "IVR\ndead\nnow"),
        ("<html><head><style>p {color: red}</style></head><body>IVR dead</body></html>", "IVR dead"),
        ("<script>alert('x < y')</script>IVR dead", "IVR dead"),
        ("<!-- hidden\nwords -->IVR dead", "IVR dead"),
        ("<script>a</script>IVR<script>b</script> dead", "IVR dead"),
        ("the <script> tag of the chat widget", "the <script> tag of the chat widget"),
        ("a <!-- that never ends", "a <!-- that never ends"),
        ("wait time < numfew and > none", "wait time < numfew and > none"),
        ("<unknown> stays", "<unknown> stays"),
        ("can&#39;t log in &amp; can&rsquo;t hear", "can't log in & can't hear"),
        ("IVR&nbsp;dead", "IVR dead"),
        ("IVR\u00a0\u2003dead\u200b", "IVR dead"),
        ("a &notanentity; b", "a &notanentity; b"),
        ("caf\u00e9 \u201cIVR\u201d \u2013 dead", 'caf\u00e9 "IVR" - dead'),
        ("\x00IVR\x08 dead", "IVR dead"),
        ("IVR\r\ndead\rnow", "IVR\ndead\nnow"),
        ("IVR   \t dead  \n\n\n now", "IVR dead\nnow"),
        ("<table><tr><td>IVR</td><td>dead</td></tr></table>", "IVR dead"),
    ],
)
def test_markup_and_white_space_go(raw, text):
    assert clean(raw).text == text


# --- Threads ---


@pytest.mark.parametrize(
    "history",
    [
        "On Mon, 2 Mar 2026 at 10:00, Support <s@x.com> wrote:\n> Is the dialer down?\n> Regards",
        "On Mon, 2 Mar 2026 at 10:00, Somebody with a long name\n<s@x.com> wrote:\n\n> The dialer is down",
        "Le lun. 2 mars 2026, Support a \u00e9crit :\n> dialer",
        "Am Mo., 2. M\u00e4rz 2026 um 10:00 Uhr schrieb Support:\n> dialer",
        "-----Original Message-----\nFrom: Support\nSent: Monday\nTo: A\nSubject: Re: dialer\n\nThe dialer is down",
        "---------- Forwarded message ---------\nFrom: Support\nDate: Monday\nSubject: dialer\n\nThe dialer is down",
        "From: Support <s@x.com>\nSent: Monday\nTo: Asha\nCc: B\nSubject: dialer\n\nThe dialer is down",
        "From: Support <s@x.com>\n\nSent: Monday\n\nTo: Asha\n\nThe dialer is down",
        "________________________________\nFrom: Support\nSent: Monday\nSubject: x\nThe dialer is down",
        "Begin forwarded message:\n\nFrom: A B\nSubject: dialer\nDate: x\n\nThe dialer is down",
        "> The dialer is down\n> and more",
        "________________________________\nFrom: B\nSent: x\nTo: A\nSubject: y\n\nThe dialer is down",
    ],
)
def test_older_messages_go(history):
    newest = f"{ISSUE}\nThis began after the release of last night, on wired and wireless machines alike."
    assert clean(f"{newest}\n\n{history}").text == newest


@pytest.mark.parametrize(
    "cover",
    [
        "",
        "FYI",
        "Please see below.",
        "Please check the below mail and do the needful\nThanks\nAsha",
        "Pls see\n\n" + LEGAL,
    ],
)
@pytest.mark.parametrize(
    "forward",
    [
        "---------- Forwarded message ---------\nFrom: B <b@x.com>\nDate: Mon\nSubject: Toolbar\nTo: A\n\n{}",
        "From: B\nSent: Monday\nTo: A\nSubject: Toolbar\n\n{}",
        "> {}",
        "On Mon, 2 Mar 2026, B wrote:\n> {}",
    ],
)
def test_a_covering_note_keeps_the_message_that_it_points_at(cover, forward):
    text = clean(f"{cover}\n\n{forward.format(ISSUE)}").text
    assert ISSUE in text
    assert "b@x.com" not in text
    assert "Sent:" not in text
    assert not re.search(r"^>", text, re.MULTILINE)


@pytest.mark.parametrize(
    "note",
    [
        "Can someone PLEASE own this? Third time of asking.",
        "What's the news from the carrier?",
        "The mail chain began as a request for another ringtone, but please read the one below, it is from our floor.",
        "+ Rashmi for visibility. Same as two hours ago, I'm afraid.",
    ],
)
def test_a_note_that_cannot_stand_alone_keeps_the_message_below_it(note):
    text = clean(f"{note}\n\nFrom: B\nSent: Monday\nTo: A\nSubject: Toolbar\n\n{ISSUE}").text
    assert note in text
    assert ISSUE in text


@pytest.mark.parametrize(
    "note",
    [
        "Fixed now, please close.",
        "It is resolved, thank you",
        "All good now.",
        "ab theek ho gaya",
        "False alarm from our side.",
    ],
)
def test_word_that_it_is_over_stands_alone(note):
    assert clean(f"{note}\n\n> {ISSUE}").text == note


@pytest.mark.parametrize(
    "note",
    [
        "Following up again, please see below.",
        "Bringing this up again.",
        "This has not been resolved yet, please see below.",
        "IVR not working now, see trailing mail",
        "It stopped working again, see below",
        "When can you close this?",
        "Has this been resolved?",
        "Until this is resolved we are idle",
        "It's still not ok now.",
        "Please close this on priority, see trail below",
        "is it up now?",
        "was working fine now dead",
        "ab theek karo jaldi",
        "theek ho gaya kya? abhi tak nahi",
    ],
)
def test_a_note_that_does_not_say_that_it_is_over_keeps_the_message_below_it(note):
    assert ISSUE in clean(f"{note}\n\n> {ISSUE}").text


def test_marks_of_a_list_are_no_numbers():
    assert (
        clean("Two things:\n1. hold fails\n2) 3 agents cannot mute").text
        == "Two things:\nhold fails\nnumfew agents cannot mute"
    )


def test_a_forwarded_subject_is_kept():
    text = clean("FYI\n\nFrom: B\nSent: Monday\nTo: A\nSubject: Toolbar is blank\n\nSame for all sixty.").text
    assert "Toolbar is blank" in text
    assert "Same for all sixty." in text


def test_only_the_newest_of_the_quoted_messages_is_kept():
    older = "From: C\nSent: Sunday\nSubject: dialer\n\nThe dialer is down"
    text = clean(f"see below\n\nFrom: B\nSent: Monday\nSubject: Toolbar\n\n{ISSUE}\n\n{older}").text
    assert ISSUE in text
    assert "dialer" not in text


def test_answers_between_quoted_lines_are_kept():
    newest = "Answers inline, floor idle since morning meanwhile, sixty people wait for customers"
    raw = f"{newest}\n> Is PRI up?\nYes it is\n> Is IVR dead?\nYes, IVR is dead"
    text = clean(raw).text
    assert "Yes it is" in text
    assert "Yes, IVR is dead" in text
    assert "Is PRI up?" not in text


# --- Signatures, disclaimers, subjects ---


@pytest.mark.parametrize(
    "ending",
    [
        "Regards,\nAsha Rao\nManager, CX\n+91 98480 12345",
        "Thanks & Regards\nAsha",
        "Many thanks in advance!\nAsha",
        "With warm regards,\n\nAsha",
        "Yours sincerely,\nAsha",
        "Rgds\nA",
        "--\nAsha",
        "-- \nAsha",
        "Sent from my iPhone",
        "Get Outlook for Android",
        LEGAL,
        "Thanks\nAsha\n\n" + LEGAL,
        "This message is private, confidential and privileged. If you are not the addressee, delete it.",
        "Please consider the environment before printing",
    ],
)
def test_endings_go(ending):
    assert clean(f"{ISSUE}\n\n{ending}").text == ISSUE


@pytest.mark.parametrize(
    "text",
    [
        "Thanks",  # nothing before it: no signature
        "IVR is down\nand\nagents cannot log in",
        "Calls drop\n \nsince morning",
        "Please check\nThanks\n" + "\n".join(f"line {'x' * n}" for n in range(1, 15)),  # too long for a signature
        "Please check\nThanks\n" + "word " * 30,  # too wide for a signature
    ],
)
def test_what_only_looks_like_an_ending_stays(text):
    cleaned = clean(text).text
    assert cleaned.split() == text.split()


@pytest.mark.parametrize(
    "start",
    ["Re: ", "RE: FW: ", "Fwd: Re: ", "Subject: Re: ", "[Ticket #12345] ", "[#123456] ", "[INC-123456]", "aw: "],
)
def test_reply_marks_and_ticket_numbers_go(start):
    assert clean(start + ISSUE).text == ISSUE


def test_a_disclaimer_on_top_takes_its_paragraph_alone():
    text = clean(f"[EXTERNAL] mail, beware of links\n\n{ISSUE}").text
    assert text == ISSUE


# --- Numbers ---


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("1 agent", "1 agent"),
        ("3 agents", "numfew agents"),
        ("5 agents", "numfew agents"),
        ("6 agents", "nummany agents"),
        ("60 agents", "nummany agents"),
        ("1200 agents", "numbig agents"),
        ("call 9848012345", "call longnumber"),
        ("call +91 98480 12345 now", "call longnumber now"),
        ("at 10:30 am", "at clocktime"),
        ("at 10 am", "at clocktime"),
        ("at 23:59", "at clocktime"),
        ("on 12/03/2026", "on calendardate"),
        ("on 12-Mar-26", "on calendardate"),
        ("mail asha.rao@example.co.in now", "mail emailaddress now"),
        ("id 7f3a9c21-66de-4f0b", "id longnumber"),
        ("id 7abcdefab", "id longnumber"),
        ("see https://x.com/a?token=1&b=2", "see https://x.com/a"),
        ("P0 and 3-way and 2nd", "P0 and numfew-way and 2nd"),
    ],
)
def test_numbers_become_what_matters_of_them(raw, text):
    assert clean(raw).text == text


def test_digest_forgets_case_and_white_space_alone():
    assert clean("IVR   is\n dead").digest == clean("ivr is dead ").digest
    assert clean("60 agents").digest != clean("70 agents").digest
    assert clean("ivr is dead").digest != clean("ivr is alive").digest


def test_digest_takes_any_text():
    assert len(clean("\ud800 lone surrogate").digest) == 64


# --- Positions ---


@pytest.mark.parametrize(
    "raw",
    [
        "<p>Hello,</p><p>our IVR is <b>dead</b> since 10:30&nbsp;am, 60 agents idle</p><p>Regards<br>Asha</p>",
        "FYI\n\n> From: B\n> Subject: our IVR\n>\n> is dead since 10:30, 60 agents idle",
        "  our\u200b IVR \u2014 is   dead\r\nsince 10:30\r\n\r\n60 agents idle\r\n",
        "Re: [#12345] our IVR is dead since 10:30 am, call 9848012345, 60 agents idle",
    ],
)
@pytest.mark.parametrize("word", ["our", "IVR", "is", "dead", "agents", "idle"])
def test_words_are_found_again(raw, word):
    cleaned = clean(raw)
    match = re.search(rf"\b{word}\b", cleaned.text)
    start, end = cleaned.raw_span(*match.span())
    assert raw[start:end].replace("\u200b", "") == word


@pytest.mark.parametrize(
    ("raw", "token", "written"),
    [
        ("at 10:30 am sharp", "clocktime", "10:30 am"),
        ("<b>60</b> agents", "nummany", "60"),
        ("call +91 98480 12345 now", "longnumber", "+91 98480 12345"),
        ("we can&#39;t log in", "can't", "can&#39;t"),
        ("mail a@b.com now", "emailaddress", "a@b.com"),
    ],
)
def test_replaced_words_point_at_what_was_written(raw, token, written):
    cleaned = clean(raw)
    start = cleaned.text.index(token)
    begin, end = cleaned.raw_span(start, start + len(token))
    assert raw[begin:end] == written


def test_long_texts_are_cut_at_the_limit():
    cleaned = clean("IVR dead " + "x" * 200_000 + " agents")
    assert len(cleaned.text) <= MAX_CHARACTERS
    assert cleaned.text.startswith("IVR dead")
    assert cleaned.raw.endswith("agents")


# --- For any text ---

WORD = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ\u0905\u0906\u0907\u00e9\u00df", min_size=2, max_size=9)
FRAGMENTS = """
    <p> </p> <br/> <div\u2003id='x'> </div> <b> </b> &amp; &nbsp; &#39; &lt; &rsquo; &#13; <!-- --> <script> </script>
    > -- & \u200b From:\u2003a@b.com Sent:\u2003x Subject:\u2003y On\u2003Monday\u2003A\u2003wrote: Regards, DISCLAIMER
    Re: [#12345] 10:30\u2003am 12/03/2026 +91\u200398480\u200312345 a@b.com 60 1 7f3a9c21 \U0001f600
"""
FRAGMENT = st.sampled_from([f.replace("\u2003", " ") for f in FRAGMENTS.split(" ")] + list("\n\r \t\xa0\u2028\x85\x1c"))
MIXED = st.lists(st.one_of(WORD, FRAGMENT, st.text(max_size=5)), max_size=40).map("".join)


@given(st.one_of(st.text(), MIXED))
def test_every_span_lies_in_the_raw_text_and_in_order(raw):
    cleaned = clean(raw)
    assert cleaned.raw == raw
    last = 0
    for match in re.finditer(r"\S+", cleaned.text):
        start, end = cleaned.raw_span(*match.span())
        assert last <= start < end <= len(raw)
        last = end


@given(
    st.lists(st.tuples(WORD, st.sampled_from([" ", "<br>", "</p><p>", "  \n", " <b>", "</b> ", "&nbsp;", "\u200b \t"])))
)
def test_a_surviving_word_is_found_where_it_was_written(parts):
    raw = "".join(word + gap for word, gap in parts)
    cleaned = clean(raw)
    for match in re.finditer(r"\S+", cleaned.text):
        start, end = cleaned.raw_span(*match.span())
        assert raw[start:end] == match[0]


@given(st.one_of(st.text(), MIXED))
def test_clean_text_has_no_white_space_to_spare(raw):
    text = clean(raw).text
    assert text == text.strip()
    assert not re.search(r"[^\S\n]{2}|\n\s|\s\n|[\r\t\u00a0\u200b]", text)


@given(st.lists(WORD, max_size=30), st.sampled_from([" ", "\n", ", "]))
def test_clean_words_stay_as_they_are(words, gap):
    text = gap.join(words)
    once = clean(text).text
    assert clean(once).text == once


@given(
    st.lists(st.one_of(WORD, st.sampled_from(["60", "1", "10:30", "a@b.com", "12/03/2026", "9848012345"])), max_size=20)
)
def test_cleaning_twice_is_cleaning_once_for_numbers_and_addresses(words):
    once = clean(" ".join(words)).text
    assert clean(once).text == once


# --- Hostile texts: each took minutes with a pattern that could split a stretch in several ways ---


@pytest.mark.parametrize(
    "unit",
    [
        ">\n",
        " ",
        "\n",
        " \n",
        "\t",
        "> ",
        "> >\n",
        "\u2028 ",
        "thanks ",
        "best ",
        "x\n--\n",
        "From: ab\n",
        "From: ab\n>\n",
        "-_",
        "____\n",
        "a.",
        "a-",
        "a@",
        "&#",
        "1-",
        "abcdef12-",
        "<!--",
        "<script>",
        "<style ",
        "<p ",
        "[ticket ",
        "re:",
        "On aaaa aaaa\n",
        "disclaimer\n",
        "this message is\n",
    ],
)
@pytest.mark.parametrize("ending", ["", "x"])
def test_hostile_texts_are_cleaned(unit, ending):
    raw = "Calls drop\nThanks" + unit * (200_000 // len(unit)) + ending
    assert clean(raw).raw == raw
