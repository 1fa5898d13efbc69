"""The gate refuses a challenger that is worse than the champion on the same texts, and says in what."""

import json

import pandas as pd
import pytest
from conftest import NOW

from model.classifier import Classifier
from model.composition import destinations_of
from model.errors import ModelError, PromotionRefusedError, RegistryError
from model.examples import check_examples
from model.gate import LEAST_LATEST, judge, promote
from model.matrix import Matrix
from model.outcomes import digests
from model.text import clean
from model.trained import TrainedModel


@pytest.fixture
def right(tiny_kept):
    """Out-of-group decisions that are all right."""
    labels = ["severity", "owner", "queue", "issue_type"]
    return tiny_kept.assign(**{label: tiny_kept[f"true_{label}"] for label in labels}, needs_review=False)


def called(kept, number, label, truth, said):
    """Return the decisions with `number` texts of a class called another."""
    rows = kept.index[kept[f"true_{label}"] == truth][:number]
    assert len(rows) == number
    changed = kept.copy()
    changed.loc[rows, label] = said
    return changed


@pytest.fixture
def against(registry, save, right, matrix, rules):
    """Judges out-of-group decisions against those of a champion, which are all right unless given."""

    def against(challenger, champion=None, corrections=None):
        registry.promote(save(right if champion is None else champion), promoted_at=NOW)
        return judge(registry, save(challenger), matrix, rules, corrections)

    return against


def reasons_about(verdict):
    return [reason.split(":")[0] for reason in verdict.reasons]


class TestOutOfGroup:
    def test_as_good_passes(self, against, right):
        verdict = against(right)
        assert verdict.passed
        assert [len(c) for c in verdict.comparisons] == [right["digest"].nunique()]

    @pytest.mark.parametrize(
        ("number", "label", "truth", "said", "about"),
        [
            (8, "severity", "P2", "P3", ["severity"]),
            (4, "owner", "Telco", "Ozonetel", ["owner"]),
            (5, "queue", "CR desk", "General", ["queue"]),
            (5, "issue_type", "reports", "other", ["issue_type"]),
            (1, "severity", "P3", "P2", []),  # within the margin
            (1, "issue_type", "other", "reports", []),
            (1, "severity", "P0", "P1", ["P0 recall"]),  # no margin
            (1, "severity", "P0", "P3", ["P0 recall", "dangerous misses"]),
        ],
    )
    def test_worse_is_refused(self, against, right, number, label, truth, said, about):
        assert reasons_about(against(called(right, number, label, truth, said))) == about

    def test_a_worse_miss_is_refused_though_recall_is_the_same(self, against, right):
        champion = called(right, 1, "severity", "P0", "P1")
        challenger = called(right, 1, "severity", "P0", "P2")
        assert reasons_about(against(challenger, champion)) == ["dangerous misses"]

    def test_better_passes(self, against, right):
        champion = called(right, 5, "severity", "P0", "P2")
        assert against(right, champion).passed

    def test_only_texts_that_both_were_measured_on_count(self, against, right):
        known, new = right.iloc[20:], right.iloc[:20]
        wrong = new.assign(severity="P3", queue="CR desk", owner="Telco", issue_type="reports")
        verdict = against(pd.concat([known, wrong]), champion=known)
        assert verdict.passed
        assert len(verdict.comparisons[0]) == len(known)

    def test_the_latest_truth_counts_for_both(self, against, right):
        relabelled = right.assign(true_queue=right["true_queue"].where(right.index > 10, "CR desk"))
        verdict = against(relabelled, champion=right)
        assert verdict.passed
        assert verdict.comparisons[0].champion["queue"].equals(verdict.comparisons[0].challenger["queue"])

    def test_too_few_common_texts_say_nothing(self, against, right):
        verdict = against(right.iloc[:100], champion=right.iloc[90:])
        assert "10 texts are common" in verdict.reasons[0]


class TestSentences:
    @pytest.fixture
    def reworded(self, matrix):
        """The same matrix with the wording of two rows exchanged, which no model is retrained for."""
        rows = list(matrix.issue_types)
        swapped = [
            rows[0].model_copy(update={"description": rows[-1].description}),
            *rows[1:-1],
            rows[-1].model_copy(update={"description": rows[0].description}),
        ]
        return Matrix.model_validate(matrix.model_dump() | {"issue_types": [row.model_dump() for row in swapped]})

    def test_a_first_version_needs_nothing_else(self, registry, save, right, matrix, rules):
        hopeless = right.assign(severity="P3")
        verdict = judge(registry, save(hopeless), matrix, rules)
        assert (verdict.passed, verdict.champion, verdict.comparisons) == (True, None, ())

    def test_a_wrong_sentence_is_refused(self, registry, save, reworded, rules):
        verdict = judge(registry, save(), reworded, rules)
        assert len(verdict.reasons) == 2
        assert all("documented sentence" in reason for reason in verdict.reasons)

    def test_also_when_the_champion_gets_it_wrong_too(self, registry, save, reworded, rules):
        registry.promote(save(), promoted_at=NOW)
        assert len(judge(registry, save(), reworded, rules).reasons) == 2


class TestChampionInTrouble:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"matrix_sha256": "0" * 64}, "another matrix"),
            ({"labels": {"severity": ["S1", "S2"]}}, "labels"),
            ({"format": 99}, "cannot be compared"),
        ],
    )
    def test_disagreement_is_refused(self, registry, save, matrix, rules, changes, words):
        champion = save()
        registry.promote(champion, promoted_at=NOW)
        self.edit(registry, champion, changes)
        verdict = judge(registry, save(), matrix, rules)
        assert len(verdict.reasons) == 1
        assert words in verdict.reasons[0]

    def test_a_champion_of_another_library_is_still_compared_with_out_of_group(
        self, registry, save, matrix, rules, unread
    ):
        champion = save()
        registry.promote(champion, promoted_at=NOW)
        self.edit(registry, champion, {"libraries": {"scikit-learn": "0.1"}})
        verdict = judge(registry, save(), matrix, rules, unread)
        assert verdict.passed
        assert len(verdict.comparisons) == 1
        assert "0.1" in verdict.notes[0]

    def test_a_challenger_that_does_not_load_is_an_error(self, registry, save, matrix, rules):
        version = save()
        self.edit(registry, version, {"matrix_sha256": "0" * 64})
        with pytest.raises(ModelError):
            judge(registry, version, matrix, rules)

    @staticmethod
    def edit(registry, version, changes):
        path = registry.folder / "versions" / version / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


@pytest.fixture(scope="module")
def unread():
    """Corrections of a kind that the tiny model has never read."""
    things = ["espresso machine", "fingerprint reader", "canteen turnstile", "parking barrier", "badge printer"]
    texts = [f"the {thing} on floor {floor} eats every token" for thing in things for floor in "ABCD"]
    assert len(texts) == LEAST_LATEST
    return pd.DataFrame(
        {"text": texts, "issue_type": "other", "severity": "P1", "owner": "Ozonetel", "queue": "CR desk"}
    )


@pytest.fixture(scope="module")
def taught(tiny, tiny_examples, unread, matrix):
    """The tiny model, had it read the corrections."""
    both = check_examples(pd.concat([tiny_examples, unread], ignore_index=True), matrix)
    targets = {label: both[label].tolist() for label in ("severity", "owner", "queue", "impact")}
    targets["destination"] = destinations_of(both, matrix)
    return TrainedModel(Classifier.fit([clean(t) for t in both["text"]], targets), tiny.model.policy, matrix)


class TestLatestCorrections:
    def test_better_passes(self, registry, save, matrix, rules, unread, taught):
        registry.promote(save(), promoted_at=NOW)
        verdict = judge(registry, save(model=taught), matrix, rules, unread)
        assert verdict.passed
        latest = verdict.comparisons[1]
        assert len(latest) == len(unread)
        assert set(latest.changed("queue")["right"]) == {"challenger"}

    def test_worse_is_refused(self, registry, save, matrix, rules, unread, taught):
        registry.promote(save(model=taught), promoted_at=NOW)
        verdict = judge(registry, save(), matrix, rules, unread)
        assert "queue" in reasons_about(verdict)
        assert all("latest corrections" in reason for reason in verdict.reasons)

    @pytest.mark.parametrize("reader", ["champion", "challenger"])
    def test_what_one_has_read_does_not_count(self, registry, save, matrix, rules, unread, taught, tiny_kept, reader):
        read = pd.concat([tiny_kept, tiny_kept.iloc[:1].assign(digest=digests(unread["text"].tolist()[:1])[0])])
        registry.promote(save(read if reader == "champion" else tiny_kept, model=taught), promoted_at=NOW)
        verdict = judge(registry, save(read if reader == "challenger" else tiny_kept), matrix, rules, unread)
        assert verdict.passed
        assert f"{LEAST_LATEST - 1} corrections" in verdict.notes[0]


class TestPromotion:
    def test_refused_leaves_the_champion(self, registry, against, right):
        verdict = against(called(right, 1, "severity", "P0", "P1"))
        with pytest.raises(PromotionRefusedError, match="P0 recall"):
            promote(registry, verdict, promoted_at=NOW)
        assert registry.champion().version == verdict.champion

    def test_force_is_in_the_manifest(self, registry, against, right):
        verdict = against(called(right, 1, "severity", "P0", "P1"))
        assert promote(registry, verdict, promoted_at=NOW, force=True).version == verdict.version
        [promotion] = registry.manifest(verdict.version)["promotions"]
        assert promotion["forced_despite"] == list(verdict.reasons)

    def test_passed_serves(self, registry, against, right):
        verdict = against(right)
        assert promote(registry, verdict, promoted_at=NOW).previous == (verdict.champion,)

    def test_a_verdict_against_a_former_champion_is_void(self, registry, save, against, right):
        verdict = against(right)
        other = save(right)
        registry.promote(other, promoted_at=NOW)
        with pytest.raises(RegistryError, match=verdict.champion):
            promote(registry, verdict, promoted_at=NOW)
        assert registry.champion().version == other
