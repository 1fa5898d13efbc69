"""Examples and corrections together: the correction wins, and the latest ones may be held back."""

import pandas as pd
import pytest
from conftest import NOW

from model.gate import LEAST_LATEST
from model.gathering import HELD_BACK, gather
from model.outcomes import digests
from model.text import clean

LABELS = {"issue_type": "reports", "severity": "P3", "owner": "Ozonetel", "queue": "General"}
ENOUGH = int(LEAST_LATEST / HELD_BACK)


def corrected(texts, **labels):
    """Corrections of texts, a minute apart."""
    times = pd.date_range(NOW, periods=len(texts), freq="min")
    frame = pd.DataFrame({"text": texts, **LABELS, **labels, "language": "", "group": "corrections"})
    return frame.assign(created_at=times)


def fresh(number):
    """Texts that no example holds."""
    return [f"the turnstile {'abcdefghij'[n % 10] * (n // 10 + 1)} stands still" for n in range(number)]


def found(training_set, text):
    examples = training_set.examples
    [row] = [n for n, digest in enumerate(digests(examples["text"].tolist())) if digest == digests([text])[0]]
    return examples.iloc[row]


def test_without_corrections_the_examples_are_distinct(tiny_examples, matrix):
    training_set = gather(tiny_examples, None, matrix)
    assert len(training_set.examples) == len(set(digests(tiny_examples["text"].tolist())))
    assert (training_set.corrections, training_set.corrections_until) == (0, None)
    assert training_set.texts == [clean(text) for text in training_set.examples["text"]]


@pytest.mark.parametrize("written", ["{}", "  {} ", "<p>{}</p>"])
def test_a_correction_wins_over_the_example_of_the_same_clean_text(tiny_examples, matrix, written):
    example = tiny_examples[(tiny_examples["group"] == "matrix0") & (tiny_examples["severity"] == "P0")].iloc[0]
    labels = {k: example[k] for k in ("issue_type", "owner", "queue")}
    training_set = gather(tiny_examples, corrected([written.format(example["text"])], severity="P2", **labels), matrix)
    learned = found(training_set, example["text"])
    assert learned["severity"] == "P2"
    assert (learned["group"], learned["language"]) == (example["group"], example["language"])
    assert matrix.severity_after(learned["issue_type"], learned["impact"]) == "P2"
    [contradiction] = training_set.contradictions.to_dict("records")
    assert (contradiction["severity_example"], contradiction["severity_correction"]) == ("P0", "P2")


def test_what_a_correction_leaves_open_is_the_example_s(examples, matrix):
    example = examples[(examples["impact"] == "slow") & (examples["severity"] == "P1")].iloc[0]
    labels = {k: example[k] for k in ("severity", "owner", "queue")}
    training_set = gather(examples, corrected([example["text"]], issue_type="", **labels), matrix)
    learned = found(training_set, example["text"])
    assert (learned["issue_type"], learned["impact"]) == (example["issue_type"], "slow")
    assert training_set.contradictions.empty


def test_an_issue_type_that_cannot_have_the_corrected_owner_is_not_kept(examples, matrix):
    example = examples[examples["issue_type"] == "reports"].iloc[0]
    training_set = gather(examples, corrected([example["text"]], issue_type="", owner="Telco"), matrix)
    assert found(training_set, example["text"])[["issue_type", "owner"]].tolist() == ["", "Telco"]


def test_corrections_that_an_earlier_matrix_allowed_are_set_aside(tiny_examples, matrix):
    corrections = pd.concat([corrected(fresh(2)), corrected(["old words"], severity="S9")])
    training_set = gather(tiny_examples, corrections, matrix)
    assert (training_set.corrections, training_set.misfits["text"].tolist()) == (2, ["old words"])


def test_the_latest_instant_is_recorded(tiny_examples, matrix):
    assert gather(tiny_examples, corrected(fresh(3)), matrix).corrections_until == "2026-03-01T10:02:00+00:00"


class TestHoldingBack:
    def test_the_latest_fifth_of_enough(self, tiny_examples, matrix):
        corrections = corrected(fresh(ENOUGH))
        training_set = gather(tiny_examples, corrections.sample(frac=1, random_state=1), matrix, read=[])
        assert set(training_set.held_back["text"]) == set(corrections["text"].iloc[-LEAST_LATEST:])
        assert training_set.corrections == ENOUGH - LEAST_LATEST
        assert not set(training_set.held_back["text"]) & set(training_set.examples["text"])

    def test_few_are_all_learned_from(self, tiny_examples, matrix):
        training_set = gather(tiny_examples, corrected(fresh(ENOUGH - 1)), matrix, read=[])
        assert training_set.held_back.empty
        assert training_set.corrections == ENOUGH - 1

    def test_nothing_without_a_champion_to_compare_with(self, tiny_examples, matrix):
        assert gather(tiny_examples, corrected(fresh(ENOUGH)), matrix, read=None).held_back.empty

    def test_not_what_the_champion_has_read(self, tiny_examples, matrix):
        texts = fresh(ENOUGH + 50)
        training_set = gather(tiny_examples, corrected(texts), matrix, read=digests(texts[-50:]))
        assert set(training_set.held_back["text"]) == set(texts[-50 - LEAST_LATEST : -50])

    def test_not_what_stands_among_the_examples(self, tiny_examples, matrix):
        known = tiny_examples["text"].drop_duplicates().tolist()[:30]
        training_set = gather(tiny_examples, corrected(fresh(ENOUGH) + known), matrix, read=[])
        assert not set(training_set.held_back["text"]) & set(known)
