"""Words that keep the same company are put in one class, without their labels."""

import pickle

import pytest
from threadpoolctl import threadpool_limits

from model.spelling import Spelling
from model.text import clean
from model.word_classes import UNKNOWN, WordClasses, learn_word_classes, surroundings


@pytest.fixture(scope="module")
def texts(examples):
    return [clean(text).text for text in examples["text"].sample(3000, random_state=1)]


def test_words_in_like_surroundings_share_a_class():
    people, parts = ("agents", "staff", "telecallers", "counsellors"), ("portal", "console", "toolbar", "page")
    sentences = [f"since monday {who} cannot open the {what} at all" for who in people for what in parts] * 3
    sentences += [f"{other} words{other} stand{other} elsewhere{other}" for other in "abcdef"] * 4
    (classes,) = learn_word_classes(sentences, sizes=(12,))
    assert len({classes.classes[who] for who in people}) == 1
    assert len({classes.classes[what] for what in parts}) == 1
    assert classes.classes["agents"] != classes.classes["portal"]


def test_the_same_texts_give_the_same_classes(texts):
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(learn_word_classes(texts, sizes=(50, 400)))
    assert found[0] == found[1]
    assert found[0] == learn_word_classes(texts[::-1], sizes=(50, 400))


def test_every_size_is_kept_and_its_classes_are_few_enough(texts):
    found = learn_word_classes(texts, sizes=(20, 100))
    coarse, fine = (len(set(each.classes.values())) for each in found)
    assert 10 < coarse <= 20 < fine <= 100


@pytest.mark.parametrize("few", [[], [""], ["agent portal is down"] * 9, ["अ आ इ"] * 5])
def test_too_few_words_have_no_classes(few):
    assert learn_word_classes(few) == []


def test_a_rare_word_has_no_class(texts):
    (classes,) = learn_word_classes([*texts, "zyxwv zyxwv zyxwv"], sizes=(50,))
    assert "zyxwv" not in classes.classes
    assert classes("ZYXWV") == UNKNOWN


def test_classes_are_written_in_the_order_of_the_words_in_any_script():
    classes = WordClasses({"एजेंट": 2, "down": 5}, Spelling(("एजेंट", "down")))
    assert classes("Down, एजेंट  DOWN!") == "5 2 5"
    assert classes("") == ""


def test_classes_travel_between_processes():
    classes = WordClasses({"agents": 1}, Spelling(("agents",)))
    classes("agnets")
    again = pickle.loads(pickle.dumps(classes))
    assert again == classes
    assert again("agnets") == "1"


def test_surroundings_by_hand():
    words = [["a", "b", "c"], ["c", "rare", "a"]]
    counted = surroundings(words, {"a": 0, "b": 1, "c": 2}).toarray()
    near, after, before = counted[:, :3], counted[:, 3:6], counted[:, 6:]
    # a b c: a and c are two apart; c rare a: so are c and a; no window reaches from one text into the next
    assert near.tolist() == [[0, 0, 2], [0, 0, 0], [2, 0, 0]]
    assert after.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert before.tolist() == after.T.tolist()
