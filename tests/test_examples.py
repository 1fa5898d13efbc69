"""The examples that ship are consistent with the matrix; errors in others name line and column."""

import pandas as pd
import pytest
from conftest import DATA

from model.errors import ExamplesError
from model.examples import COLUMNS, check_examples, digest, read_examples

ROW = {"text": "x", "severity": "P0", "owner": "Ozonetel", "queue": "General", "issue_type": "agent_portal_down"}


def frame(*changes):
    return pd.DataFrame([ROW | change for change in changes or [{}]])


# --- The examples that ship ---


def test_there_are_enough(examples):
    assert len(examples) >= 6_000
    assert examples["group"].nunique() >= 5
    assert (examples[["text", "issue_type", "severity", "owner", "queue", "language", "group"]] != "").all(axis=None)


def test_no_text_stands_twice(examples):
    same = examples["text"].str.casefold().str.split().str.join(" ")
    assert not same.duplicated().any(), examples["text"][same.duplicated()].tolist()[:3]


def test_every_row_of_the_matrix_has_examples_by_several_authors(matrix, examples):
    authors = examples.groupby("issue_type")["group"].nunique()
    for issue_type in matrix.issue_type_ids:
        assert authors[issue_type] >= 3, issue_type


def test_every_way_of_lowering_has_examples(matrix, examples):
    assert {impact.id for impact in matrix.impacts} <= set(examples["impact"])


def test_no_issue_flows_and_languages_are_there(examples):
    assert (examples["impact"] == "no_issue").sum() >= 300
    assert (examples["queue"] == "CR desk").sum() >= 500
    assert {"en", "hinglish", "hi"} <= set(examples["language"])
    assert 0.1 < (examples["language"] == "hinglish").mean() < 0.35


def test_labels_follow_from_issue_type_and_impact(matrix, examples):
    for row in examples.itertuples():
        assert row.severity == matrix.severity_after(row.issue_type, row.impact), row.text


def test_labels_never_contradict_the_matrix(matrix, examples):
    allowed = {(t, p.owner, p.queue) for t in matrix.issue_type_ids for p in matrix.owner_queues(t)}
    found = set(examples[["issue_type", "owner", "queue"]].itertuples(index=False, name=None))
    assert found <= allowed
    assert ("Telco", "CR desk") not in {(owner, queue) for _, owner, queue in found}


def test_no_text_holds_an_address_or_number_of_a_person(examples):
    # addresses in the examples are made up: at reserved domains or at those of the documentation
    found = examples["text"].str.extractall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")[0].str.lower()
    assert not found[found.str.contains(r"^(?:gmail|yahoo|hotmail|outlook|rediffmail)\.com$")].any()


# --- Reading ---


def test_what_is_missing_is_completed(matrix):
    checked = check_examples(frame({}, {"severity": "P2"}, {"issue_type": ""}), matrix)
    assert list(checked.columns) == list(COLUMNS)
    assert checked["impact"].tolist() == ["full", "few", ""]
    assert checked["language"].tolist() == ["", "", ""]


def test_a_severity_that_no_impact_gives_has_no_impact(matrix):
    row = {"issue_type": "reports", "severity": "P0"}
    assert check_examples(frame(row), matrix)["impact"].tolist() == [""]


def test_given_impacts_and_other_columns_are_kept(matrix):
    given = frame({"severity": "P1", "impact": "workaround", "voice": "v"})
    checked = check_examples(given, matrix)
    assert checked["impact"].tolist() == ["workaround"]
    assert checked["voice"].tolist() == ["v"]
    assert "language" not in given.columns


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"severity": "P9"}, "line 3, column severity: 'P9' is not one of P0, P1, P2, P3"),
        ({"severity": ""}, "line 3, column severity: ''"),
        ({"owner": "Airtel"}, "line 3, column owner: 'Airtel'"),
        ({"queue": "general"}, "line 3, column queue: 'general'"),
        ({"issue_type": "portal"}, "line 3, column issue_type: 'portal'"),
        ({"impact": "huge"}, "line 3, column impact: 'huge'"),
        ({"impact": "branch"}, "line 3, column impact: 'branch' does not go with 'agent_portal_down'"),
        ({"owner": "Telco"}, "line 3: 'agent_portal_down' never has owner 'Telco' and queue 'General'"),
        ({"issue_type": "other", "owner": "Telco", "queue": "CR desk"}, "line 3: 'other' never has owner 'Telco'"),
    ],
)
def test_errors_name_line_and_column(matrix, tmp_path, change, said):
    path = tmp_path / "x.csv"
    frame({}, change).to_csv(path, index=False)
    with pytest.raises(ExamplesError) as caught:
        read_examples(path, matrix)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"text,severity\nx,P0\n", "column owner, queue is missing; there are text, severity"),
        (b"text,severity,owner,queue\n", "there are no examples"),
        (b"", "not a CSV in UTF-8"),
        (b"text,severity,owner,queue\n\xff\xfe,P0,Ozonetel,General\n", "not a CSV in UTF-8"),
        (b'text,severity,owner,queue\n"never closed,P0\n', "not a CSV"),
        (b"text,severity,owner,queue\na,b,c,d,e,f,g\nh,i,j,k,l,m,n,o\n", ""),
    ],
)
def test_what_is_no_csv_of_examples_is_named(matrix, tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(ExamplesError) as caught:
        read_examples(path, matrix)
    assert said in str(caught.value)


def test_a_missing_file_is_named(matrix, tmp_path):
    with pytest.raises(ExamplesError, match=r"none\.csv: the examples cannot be read"):
        read_examples(tmp_path / "none.csv", matrix)


def test_words_that_look_like_nothing_stay_words(matrix, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("\ufefftext,severity,owner,queue\nNA,P3,Ozonetel,General\nnull,P3,Ozonetel,General\n", "utf-8")
    assert read_examples(path, matrix)["text"].tolist() == ["NA", "null"]


def test_digest_forgets_order_alone(matrix):
    two = check_examples(frame({"text": "a"}, {"text": "b"}), matrix)
    assert digest(two) == digest(two.iloc[::-1])
    assert digest(two) != digest(two.assign(severity="P2"))
    assert digest(check_examples(frame({"text": "\ud800"}), matrix))


def test_the_file_is_read_as_it_is(examples):
    raw = pd.read_csv(DATA / "issues.csv", dtype=str, keep_default_na=False)
    assert raw["text"].tolist() == examples["text"].tolist()
