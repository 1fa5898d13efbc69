import pytest

from model.errors import BatchError
from service.tables.columns import find_column, find_text_columns, ticket_text
from service.tables.records import Row

ZENDESK = (
    "Summation column,Id,Requester,Requester id,Requester email,Requester domain,Submitter,Assignee,Group,Subject,Tags,"
    "Status,Priority,Via,Ticket type,Created at,Updated at,Organization,Solved at,Satisfaction Score,Reopens,Replies,"
    "Region [list]"
)
FRESHDESK = (
    "Ticket ID,Subject,Description,Status,Priority,Source,Type,Agent,Group,Created time,Due by Time,Resolved time,"
    "Closed time,Last update time,Initial response time,First response time (in hrs),Resolution time (in hrs),"
    "Agent interactions,Customer interactions,Resolution status,Tags,Full name,Email,Company Name"
)
JIRA = (
    "Summary,Issue key,Issue id,Issue Type,Status,Project key,Priority,Assignee,Reporter,Created,Updated,Resolved,"
    "Labels,Labels,Description,Environment,Comment,Comment,Custom field (Region)"
)
ZOHO = (
    "Ticket Id,Subject,Ticket Description,Status (Ticket),Priority (Ticket),Category (Ticket),Sub Category,"
    "Classifications,Ticket Owner,Created Time (Ticket),Ticket Closed Time,Due Date,Email (Contact),Account Name,Team"
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (ZENDESK, ["Subject"]),
        (FRESHDESK, ["Subject", "Description"]),
        (FRESHDESK.replace(",Description", ""), ["Subject"]),
        (JIRA, ["Summary", "Description"]),
        (ZOHO, ["Subject", "Ticket Description"]),
        ("id,body,title", ["title", "body"]),
        ("id,MESSAGE", ["MESSAGE"]),
        ("text,severity,owner,queue", ["text"]),
        ("Subject (Ticket),Description (Ticket)", ["Subject (Ticket)", "Description (Ticket)"]),
        ("issue_description", ["issue_description"]),
    ],
    ids=["zendesk", "freshdesk", "freshdesk-view", "jira", "zoho", "order", "case", "evaluation", "suffix", "snake"],
)
def test_text_columns_of_known_exports_are_found(header, expected):
    names = header.split(",")
    assert [names[n] for n in find_text_columns(names)] == expected


@pytest.mark.parametrize("header", ["id,name,date", "subject,title,body", "description,body", "Summation column"])
def test_unclear_columns_are_an_error_that_lists_them(header):
    with pytest.raises(BatchError) as caught:
        find_text_columns(header.split(","))
    assert header.replace(",", ", ") in str(caught.value)
    assert "--text" in str(caught.value)


def test_wanted_columns_are_taken_in_the_wanted_order_and_with_every_repetition():
    header = ["Comment", "id", "Subject", "Comment"]
    assert find_text_columns(header, ["subject", "Comment"]) == (2, 0, 3)
    assert find_column(header, "Comment") == 0


def test_exact_names_win_over_names_that_differ_in_case():
    assert find_text_columns(["text", "Text"], ["Text"]) == (1,)


def test_an_unknown_wanted_column_is_an_error_that_lists_the_columns():
    with pytest.raises(BatchError, match=r"no column .Body.. Columns: id, \(no name\)"):
        find_text_columns(["id", ""], ["Body"])


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (("PRI down", "since ten"), "PRI down\nsince ten"),
        (("PRI down", "-"), "PRI down"),
        (("PRI down", None), "PRI down"),
        (("", " "), ""),
        ((12, "calls"), "12\ncalls"),
        (("caf\udce9", ""), "caf\ufffd"),
    ],
)
def test_text_of_a_ticket_joins_what_is_there(cells, text):
    assert ticket_text(Row(2, cells), (0, 1)) == text
