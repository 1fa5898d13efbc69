"""A person's word wins, then the model, then the rules; every way of asking gives the same answer."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.decision import Labels
from model.errors import StoreError, UnknownRegionError
from model.text import clean

DOWN = "Agent portal is down"
SAID = Labels("P2", "Telco", "General", "pri_down")


class Said:
    """What people said, by text."""

    def __init__(self, said):
        self.labels = {clean(text).digest: labels for text, labels in said.items()}

    def find(self, digests):
        return {d: self.labels[d] for d in digests if d in self.labels}


class Broken:
    """A store that is down."""

    def find(self, digests):
        raise StoreError("down")


@pytest.fixture(params=["model", "rules"])
def router(request, tiny_router, rules_router):
    return tiny_router if request.param == "model" else rules_router


def test_a_person_s_word_wins(router):
    routing = router.with_precedents(Said({DOWN: SAID})).route(DOWN)
    assert routing.decision.labels == SAID
    assert routing.decision.decided_by == "person"
    assert routing.targets.respond_minutes == 240
    assert not routing.decision.needs_review


def test_a_person_s_word_counts_for_that_text_alone(router):
    said = router.with_precedents(Said({DOWN: SAID}))
    assert said.route(" AGENT portal\n is down").decision.labels == SAID
    other = "Agent portal is down!"
    assert said.route(other).decision == router.route(other).decision


def test_a_broken_store_does_not_break_routing(router):
    assert router.with_precedents(Broken()).route(DOWN).decision == router.route(DOWN).decision


@pytest.mark.parametrize(
    "said",
    [
        Labels("S9", "Ozonetel", "General", "reports"),
        Labels("P0", "Nobody", "General", "reports"),
        Labels("P0", "Ozonetel", "Gone", "reports"),
        Labels("P0", "Ozonetel", "General", "gone"),
        Labels("P0", "Telco", "CR desk", "reports"),
    ],
)
def test_a_word_that_another_matrix_was_meant_by_is_not_heeded(router, said):
    assert router.with_precedents(Said({DOWN: said})).route(DOWN).decision == router.route(DOWN).decision


def test_a_routing_names_contacts_and_deadlines(router):
    opened = datetime(2026, 3, 1, 10, tzinfo=UTC)
    routing = router.route("Cloud Agent WebRTC is not working", region="uae", opened_at=opened)
    assert routing.targets.resolve_by == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert routing.escalation[0].email == "uae.support@ozonetel.com"
    assert len(routing.escalation) == 3


def test_an_unknown_region_is_refused(router):
    with pytest.raises(UnknownRegionError):
        router.route(DOWN, region="Mars")


def test_ids_are_unique(router):
    routings = router.route_many([DOWN] * 50)
    assert len({r.id for r in routings}) == 50
    assert len({r.digest for r in routings}) == 1


def test_nothing_routes_to_nothing(router):
    assert router.route_many([]) == []
    assert router.decide_many([]) == []


@pytest.mark.parametrize("raw", ["", " \n", "<p></p>", "\u200b", "\x00"])
def test_empty_texts_go_to_a_person(router, raw):
    decision = router.route(raw).decision
    assert decision.decided_by == "default"
    assert decision.review_reasons == ("empty-text",)
    assert decision.labels == Labels("P3", "Ozonetel", "General", "other")


@pytest.mark.parametrize("raw", ["xyzzyq qwfpgj zxcvbq", "\u4f60\u597d", "\ud83d\udc4d", "!!!", "\ud800"])
def test_unknown_words_go_to_a_person(router, raw):
    assert router.route(raw).decision.needs_review


def test_a_model_decision_has_all_that_a_reader_wants(tiny_router):
    decision = tiny_router.route(DOWN).decision
    assert decision.decided_by == "model"
    assert decision.model_version == "tiny"
    assert 0 <= decision.confidence.least() <= 1
    assert decision.alternatives
    assert decision.labels not in [Labels(a.severity, a.owner, a.queue, a.issue_type) for a in decision.alternatives]
    chances = [a.probability for a in decision.alternatives]
    assert chances == sorted(chances, reverse=True)
    assert decision.explanation.startswith("closest to: Ozonetel Agent portal is down")


def test_without_model_the_rules_answer(tiny_router):
    router = tiny_router.without_model()
    decision = router.route(DOWN).decision
    assert (decision.decided_by, decision.model_version, router.model_version) == ("rules", None, None)


# --- For any text ---

WORDS = st.sampled_from(
    ["agent", "portal", "ivr", "pri", "down", "report", "one", "slow", "is", "not", "bot", "how to"]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=15).map(" ".join))


@settings(max_examples=150)
@given(text=TEXTS)
def test_labels_never_contradict_the_matrix(tiny_router, rules_router, matrix, text):
    for router in (tiny_router, rules_router):
        decision = router.route(text).decision
        labels = decision.labels
        assert (labels.owner, labels.queue) in {(p.owner, p.queue) for p in matrix.owner_queues(labels.issue_type)}
        if decision.impact:
            assert labels.severity == matrix.severity_after(labels.issue_type, decision.impact)
        assert labels.severity in matrix.severity_ids
        assert decision.needs_review == bool(decision.review_reasons)


def test_every_way_of_asking_gives_the_same_answer(router, examples):
    texts = [*examples["text"].sample(520, random_state=5), "", DOWN]
    at_once = router.decide_many(texts, explain=True)
    quick = router.decide_many(texts)
    in_parts = [d for n in range(0, len(texts), 97) for d in router.decide_many(texts[n : n + 97], explain=True)]
    backwards = router.decide_many(texts[::-1], explain=True)[::-1]
    assert at_once == in_parts == backwards
    for n in range(0, len(texts), 40):
        assert router.route(texts[n]).decision == at_once[n]
    for one, other in zip(quick, at_once, strict=True):
        assert (one.labels, one.confidence, one.review_reasons) == (
            other.labels,
            other.confidence,
            other.review_reasons,
        )
