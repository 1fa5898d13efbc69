"""Rules match phrases in order, speak only of what the matrix has, and are worth having by themselves."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.decision import Labels
from model.errors import RulesError
from model.rules import ImpactRule, IssueRule, Rules, load_rules
from model.text import clean


@pytest.fixture
def load(tmp_path, matrix):
    """Loads rules written as TOML."""

    def load(text):
        path = tmp_path / "rules.toml"
        path.write_text(text, "utf-8")
        return load_rules(path, matrix)

    return load


def matches(matrix, phrase, text):
    return Rules(matrix, (IssueRule(name="r", any=(phrase,), issue_type="reports"),), ()).match(clean(text)) is not None


# --- Phrases ---


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("ivr", "The IVR is dead", True),
        ("ivr", "ivrs are dead", False),
        ("ivr", "my_ivr", False),
        ("ivr*", "ivrs are dead", True),
        ("ivr*", "ivr", True),
        ("ivr*", "an xivr", False),
        ("*load", "download now", True),
        ("*load", "downloads now", False),
        ("*load*", "downloads now", True),
        ("*", "anything", True),
        ("call control", "call  control", True),
        ("call control", "call\ncontrol", True),
        ("call control", "call-control", True),
        ("call control", "call, control", True),
        ("call control", "call. Control", False),
        ("call control", "call the control", False),
        ("call ... control", "call the control", True),
        ("call ... control", "call control", True),
        ("call ... control", "call one two three four five control", True),
        ("call ... control", "call one two three four five six control", False),
        ("call ... control", "control the call", False),
        ("call ... control*", "call, said he: (controls)", True),
        ("a ... b ... c", "a x b y z c", True),
        ("a ... b ... c", "a b", False),
        ("click-to-call", "the Click-To-Call button", True),
        ("can't log in", "agents can\u2019t log in", True),
        ("can't log in", "agents can&rsquo;t log in", True),
        ("i.v.r", "the I.V.R is dead", True),
        ("i.v.r", "the ixvxr is dead", False),
        ("c++", "c++ client", True),
        ("(beta)", "the (beta) portal", True),
        ("alternate *", "the alternate -", True),
        ("numfew agents", "3 agents", True),
        ("1 agent", "1 agent", True),
        ("caf\u00e9", "CAF\u00c9 down", True),
    ],
)
def test_phrases(matrix, phrase, text, expected):
    assert matches(matrix, phrase, text) is expected


WORDS = st.lists(st.sampled_from(["pri", "ivr", "ivrs", "down", "up", "is"]), max_size=12)


def found_by_hand(phrase, words):
    """Whether a phrase of words, `...` and `*` endings is in a list of words, tried in every way."""

    def fits(pattern, word):
        return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern

    def follows(rest, at):
        if not rest:
            return True
        if rest[0] == "...":
            return any(follows(rest[1:], at + gap) for gap in range(6))
        return at < len(words) and fits(rest[0], words[at]) and follows(rest[1:], at + 1)

    return any(follows(phrase, at) for at in range(len(words)))


@given(WORDS, st.lists(st.sampled_from(["pri", "ivr", "ivr*", "down"]), min_size=1, max_size=3), st.booleans())
def test_phrases_match_what_trying_by_hand_finds(matrix, words, phrase, gaps):
    phrase = " ... ".join(phrase).split() if gaps else phrase
    assert matches(matrix, " ".join(phrase), " ".join(words)) == found_by_hand(phrase, words)


# --- Rules ---

ORDERED = """
[[issue]]
name = "first"
issue_type = "ivr_not_working"
any = ["ivr", "menu"]
none = ["ivr is fine"]

[[issue]]
name = "second"
issue_type = "agent_portal_down"
all = [["agents", "agent"], ["portal", "toolbar"]]
any = ["blank", "down"]

[[issue]]
name = "third"
issue_type = "other"
owner = "Telco"
impact = "limited"
any = ["sms"]

[[impact]]
name = "for-ivr"
impact = "prompt"
only_for = ["ivr_not_working"]
any = ["wrong"]

[[impact]]
name = "branches"
impact = "branch"
any = ["slow"]

[[impact]]
name = "slowly"
impact = "slow"
any = ["slow", "sometimes"]
"""


@pytest.mark.parametrize(
    ("text", "rule", "impact_rule", "impact", "severity"),
    [
        ("menu dead", "first", None, "full", "P0"),
        ("agents' portal down, and the IVR", "first", None, "full", "P0"),  # the first that matches wins, not the best
        ("ivr is fine but the agents' portal is down", "second", None, "full", "P0"),
        ("agents' portal is fine", None, None, None, None),
        ("portal is down", None, None, None, None),
        ("wrong menu", "first", "for-ivr", "prompt", "P2"),
        ("wrong agents' portal, down", "second", None, "full", "P0"),  # that impact is for another row
        ("slow ivr", "first", "branches", "branch", "P1"),
        ("agent toolbar down and slow", "second", "slowly", "slow", "P1"),  # a branch makes no sense for this row
        ("sms late, sometimes", "third", "third", "limited", "P2"),
        ("", None, None, None, None),
    ],
)
def test_the_first_match_wins(load, text, rule, impact_rule, impact, severity):
    hit = load(ORDERED).match(clean(text))
    if rule is None:
        assert hit is None
    else:
        assert (hit.rule, hit.impact_rule, hit.impact, hit.labels.severity) == (rule, impact_rule, impact, severity)


def test_owner_and_queue_come_from_the_rule_or_the_matrix(load):
    rules = load(ORDERED)
    assert rules.match(clean("sms late")).labels == Labels("P2", "Telco", "General", "other")
    assert rules.match(clean("menu dead")).labels == Labels("P0", "Ozonetel", "CR desk", "ivr_not_working")


@pytest.mark.parametrize(
    "raw",
    [
        "<p>Hello,</p><p>agent&#39;s <b>toolbar</b> is&nbsp;slow and   blank</p>",
        "FYI\n\n> From: B\n> Subject: agent toolbar\n>\n> blank and slow \U0001f600",
        "\u0130stanbul agent toolbar blank and slow",
    ],
)
def test_evidence_is_what_was_written(load, raw):
    hit = load(ORDERED).match(clean(raw))
    assert {e.words.lower() for e in hit.evidence} == {"agent", "toolbar", "blank", "slow"}
    for evidence in hit.evidence:
        assert raw[evidence.start : evidence.end] == evidence.words
        assert evidence.weight == 1.0
    assert [e.label for e in hit.evidence] == ["agent_portal_down"] * 3 + ["P1"]


# --- Errors ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[issue]]\nname = "a"\nissue_type = "nothing"\nany = ["x"]', "rule 'a': the matrix has no issue"),
        ('[[issue]]\nname = "a"\nissue_type = "reports"', "rule 'a' has neither `any` nor `all`"),
        ('[[issue]]\nname = "A b"\nissue_type = "reports"\nany = ["x"]', "issue.0.name"),
        ('[[issue]]\nname = "a"\nissue_type = "reports"\nany = ["x"]\nnot = ["y"]', "issue.0.not: Extra inputs"),
        ('[[issue]]\nname = "a"\nissue_type = "reports"\nany = [""]', "issue.0.any.0"),
        ('[[issue]]\nissue_type = "reports"\nany = ["x"]', "issue.0.name: Field required"),
        ('[[issue]]\nname = "a"\nissue_type = "reports"\nowner = "Telco"\nany = ["x"]', "rule 'a': owner and queue"),
        ('[[issue]]\nname = "a"\nissue_type = "reports"\nqueue = "CR desk"\nany = ["x"]', "rule 'a': owner and queue"),
        ('[[issue]]\nname = "a"\nissue_type = "reports"\nimpact = "stopped"\nany = ["x"]', "rule 'a': impact 'stop"),
        ('[[issue]]\nname = "a"\nissue_type = "reports"\nimpact = "huge"\nany = ["x"]', "rule 'a': impact 'huge'"),
        ('[[impact]]\nname = "a"\nimpact = "huge"\nany = ["x"]', "rule 'a': the matrix has no impact 'huge'"),
        ('[[impact]]\nname = "a"\nimpact = "few"\nonly_for = ["none"]\nany = ["x"]', "no issue type 'none'"),
        ('[[impact]]\nname = "a"\nimpact = "few"\nany = ["x"]\n' * 2, "rule 'a' stands twice"),
        ('[[rule]]\nname = "a"', "rule: Extra inputs"),
        ("[[issue", "not valid TOML"),
    ],
)  # fmt: skip
def test_errors_name_the_rule(load, tmp_path, text, said):
    with pytest.raises(RulesError, match=re.escape(said)) as caught:
        load(text)
    assert str(tmp_path / "rules.toml") in str(caught.value)


def test_a_missing_file_is_named(tmp_path, matrix):
    with pytest.raises(RulesError, match=r"none\.toml: the rules cannot be read"):
        load_rules(tmp_path / "none.toml", matrix)


def test_no_rules_match_nothing(load):
    assert load("").match(clean("Agent portal is down")) is None


def test_rules_given_in_code_are_checked_too(matrix):
    twice = IssueRule(name="a", issue_type="reports", any=("x",))
    with pytest.raises(RulesError, match="'a' stands twice"):
        Rules(matrix, (twice,), (ImpactRule(name="a", impact="few", any=("x",)),))


# --- The rules that ship ---


def test_documented_sentences_get_their_labels_by_rules_alone(matrix, rules):
    for row in matrix.issue_types:
        hit = rules.match(clean(row.description))
        assert hit.labels == Labels(row.severity, row.owner, row.queue, row.id), row.description


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("PRI is up but IVR is not playing any prompt, calls drop at once", ("P0", "Ozonetel", "CR desk")),
        ("Agents cannot log in since morning, all 60 of them", ("P0", "Ozonetel", "General")),
        ("PRI is down in your IDC", ("P2", "Telco", "General")),
        ("Only one agent cannot log in to the agent portal, rest are fine", ("P2", "Ozonetel", "General")),
    ],
)
def test_spoken_sentences_get_their_labels_by_rules_alone(rules, text, labels):
    found = rules.match(clean(text)).labels
    assert (found.severity, found.owner, found.queue) == labels


def test_no_rule_contradicts_the_matrix(matrix, rules, examples):
    for text in examples["text"].sample(500, random_state=3):
        hit = rules.match(clean(text))
        if hit:
            pairs = {(p.owner, p.queue) for p in matrix.owner_queues(hit.labels.issue_type)}
            assert (hit.labels.owner, hit.labels.queue) in pairs
            assert hit.labels.severity == matrix.severity_after(hit.labels.issue_type, hit.impact)
            assert hit.evidence


def test_a_rule_gives_only_the_severities_that_it_can(rules, examples):
    hits = [rules.match(clean(text)) for text in examples["text"].sample(2000, random_state=5)]
    assert all(found.labels.severity in rules.severities[found.rule] for found in hits if found)


def test_rules_alone_are_worth_having(rules, examples):
    some = examples[examples["impact"] != "no_issue"].sample(1000, random_state=3)
    hits = [(rules.match(clean(row.text)), row) for row in some.itertuples()]
    answered = [(hit.labels, row) for hit, row in hits if hit]
    assert len(answered) > 0.5 * len(some)
    assert sum(labels.owner == row.owner for labels, row in answered) > 0.9 * len(answered)
    assert sum(labels.severity == row.severity for labels, row in answered) > 0.45 * len(answered)


@pytest.mark.parametrize("unit", ["pri ", "not ", "agents ", "ivr !", "call ", "campaign ", "x", "a.", "! "])
def test_hostile_texts_are_matched(rules, unit):
    rules.match(clean(unit * 20_000))
