"""Training is repeatable, and what it says of a text was decided without the text's author."""

import pandas as pd
import pytest

from model.errors import ExamplesError
from model.examples import check_examples
from model.registry import Registry
from model.router import Router
from model.rules import Rules
from model.text import clean
from model.training import train


def test_one_decision_for_each_example(tiny, tiny_examples):
    assert len(tiny.decisions) == len(tiny_examples)


def test_documented_sentences_get_their_labels(tiny_router, matrix):
    for row in matrix.issue_types:
        labels = tiny_router.route(row.description).decision.labels
        assert (labels.issue_type, labels.severity, labels.owner, labels.queue) == (
            row.id,
            row.severity,
            row.owner,
            row.queue,
        )


def test_training_twice_gives_the_same_decisions(tiny, tiny_examples, matrix, rules):
    lines = []
    again = train(tiny_examples, matrix, rules, jobs=1, progress=lines.append)
    assert len(lines) >= 2
    assert again.decisions == tiny.decisions
    assert again.model.policy == tiny.model.policy
    texts = [clean(text) for text in tiny_examples["text"][:30]]
    assert again.model.decide(texts, rules) == tiny.model.decide(texts, rules)


def test_rules_that_are_not_asked_would_have_changed_nothing(tiny, examples, rules, monkeypatch):
    texts = [clean(text) for text in examples["text"].sample(600, random_state=9)]
    asked = []
    monkeypatch.setattr(rules, "match", lambda text: asked.append(text) or Rules.match(rules, text))
    quick, times = tiny.model.decide(texts, rules, explain=False), len(asked)
    monkeypatch.setattr("model.trained.surest_rules", lambda *_: (1.0, 1.0))
    assert tiny.model.decide(texts, rules, explain=False) == quick
    assert times < len(asked) - times == len(texts)


def test_a_group_is_really_held_out(matrix, rules, tiny_examples):
    """A word that stands in one group alone says nothing of that group's texts, however well it would."""
    marked = tiny_examples.drop(columns="impact").copy()
    secret = marked["group"] == "matrix1"
    marked.loc[secret, "text"] = "zyzzyva " + marked.loc[secret, "severity"] + "zz"
    marked = check_examples(marked, matrix)
    trained = train(marked, matrix, rules, jobs=1)
    told = [d for d, hidden in zip(trained.decisions, secret, strict=True) if hidden]
    assert all(d.decided_by == "default" for d in told)  # the model that decided had never seen these words
    read = trained.model.decide([clean(text) for text in marked.loc[secret, "text"]], rules)
    assert any(d.decided_by == "model" for d in read)  # the model that serves has


def test_out_of_group_decisions_are_worse_than_those_on_texts_that_were_read(tiny, tiny_examples, matrix, rules):
    router = Router(matrix, rules, tiny.model)
    truth = tiny_examples["severity"].tolist()
    read = router.decide_many(tiny_examples["text"].tolist())

    def right(decisions):
        return sum(d.labels.severity == t for d, t in zip(decisions, truth, strict=True))

    assert right(tiny.decisions) < right(read)


def test_decisions_keep_to_the_matrix(tiny, matrix):
    for decision in tiny.decisions:
        pairs = {(p.owner, p.queue) for p in matrix.owner_queues(decision.labels.issue_type)}
        assert (decision.labels.owner, decision.labels.queue) in pairs


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("group", "one", "column group: at least two groups"),
        ("severity", "P3", "column severity: at least two different values"),
    ],
)
def test_what_cannot_be_learned_from_is_named(matrix, rules, column, value, said):
    rows = [
        ("a", "reports", "P3"),
        ("b", "agent_portal_down", "P0"),
        ("c", "reports", "P3"),
        ("d", "webrtc_not_working", "P1"),
    ]
    frame = pd.DataFrame(rows, columns=["text", "issue_type", "severity"])
    frame = frame.assign(owner="Ozonetel", queue="General", group=["a", "b", "a", "b"])
    frame.loc[4] = ["e", "pri_down", "P2", "Telco", "General", "a"]
    frame.loc[5] = ["f", "ivr_not_working", "P0", "Ozonetel", "CR desk", "b"]
    if column == "severity":
        frame["impact"] = "question"
    frame[column] = value
    with pytest.raises(ExamplesError, match=said):
        train(check_examples(frame, matrix), matrix, rules, jobs=1)


def test_labels_that_some_folds_never_see(tiny_examples, matrix, rules):
    """A rare label stands in one group alone: the fold that leaves the group out must live without it."""
    rare = tiny_examples[tiny_examples["owner"] != "Telco"].drop(columns="impact")
    only = tiny_examples[tiny_examples["owner"] == "Telco"].drop(columns="impact").assign(group="alone")
    frame = check_examples(pd.concat([rare, only], ignore_index=True), matrix)
    trained = train(frame, matrix, rules, jobs=1)
    assert len(trained.decisions) == len(frame)


def test_a_saved_model_decides_the_same(trained_state, tiny, matrix, rules, tiny_examples):
    loaded = Registry(trained_state / "models").load_champion(matrix)
    texts = tiny_examples["text"].tolist()[:40]
    saved = Router(matrix, rules, loaded).decide_many(texts, explain=True)
    fresh = Router(matrix, rules, tiny.model.named(loaded.version)).decide_many(texts, explain=True)
    assert saved == fresh


def test_a_family_with_one_impact_goes_by_the_head_of_all(tiny_examples, matrix, rules, tiny):
    ivr = tiny_examples["issue_type"] == "ivr_not_working"
    one_impact = tiny_examples[~ivr | (tiny_examples["impact"] == "full")].reset_index(drop=True)
    assert (one_impact["issue_type"] == "ivr_not_working").any()
    heads = set(train(one_impact, matrix, rules, jobs=1).model.classifier.heads)
    assert set(tiny.model.classifier.heads) - heads == {"impact of ivr_not_working"}


def test_tiny_models_have_classes_of_words_too(tiny):
    assert [name for name, _ in tiny.model.classifier.features.transformer_list[2:]] == ["classes_0"]
