"""The matrix file holds every published fact, is validated at load, and another file makes another company's router."""

import re
import tomllib
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from conftest import DATA

from model.errors import MatrixError, UnknownRegionError
from model.examples import read_examples
from model.matrix import Matrix, load_matrix
from model.router import Router
from model.rules import load_rules
from model.training import train
from service.settings import Settings

SEVERITIES = [
    ("P0", "Urgent", "Most severe issues - showstopper, critical failure with no workaround", "Service down", 30, 120),
    (
        "P1",
        "High",
        "High-impact issues - inoperative or seriously degraded with short-term workaround",
        "Reduced usability of Service",
        120,
        480,
    ),
    (
        "P2",
        "Medium",
        "Limited functionality with readily available workaround",
        "An inconvenient workaround, but Service is functional",
        240,
        960,
    ),
    (
        "P3",
        "Low",
        "Minimal problems with no operational impact",
        "Minimal impact, resolvable in next patch",
        480,
        7 * 24 * 60,
    ),
]
ROWS = [
    ("Ozonetel Agent portal is down", "Ozonetel issue", "P0"),
    ("Cloud Agent WebRTC is not working", "Ozonetel issue", "P0"),
    ("Ozonetel PRI is up but IVR is not working", "Ozonetel issue", "P0"),
    ("Ozonetel PRI is up but call not routing to agents", "Ozonetel issue", "P0"),
    ("Cloud Agent Chat widget is not working", "Ozonetel issue", "P0"),
    ("Cloud Agent Admin portal is down", "Ozonetel issue", "P1"),
    ("Cloud Agent Dashboard portal is down", "Ozonetel issue", "P1"),
    ("Cloud Agent Outbound Dialer is not working", "Ozonetel issue", "P1"),
    ("Cloud Agent Call control features not working", "Ozonetel issue", "P1"),
    ("Cloud Agent UI Configuration related issues", "Ozonetel issue", "P1"),
    ("Ozonetel PRI is down / flapping in Ozonetel IDC", "TPT issue - Telco", "P2"),
    ("Ozonetel Internet is down / Flapping in Ozonetel IDC", "TPT issue - Telco", "P2"),
    ("Cloud Agent Report portal is down", "Ozonetel issue", "P2"),
    ("Issues related to Cloud Agent API / CRM Integration", "Ozonetel issue", "P2"),
    ("Issues related to Cloud Agent reports", "Ozonetel issue", "P3"),
]
LEVELS = {
    "General": [
        (1, "0 to 1 Hr", "Customer Support Desk", None, None, None),
        (2, "1 to 2 Hr", "Shift Team Leader", None, "hewit.m@ozonetel.com", None),
        (3, "4 Hr", "Devpriya D. Das", "Director, Technical Support", "dev@ozonetel.com", None),
    ],
    "CR desk": [
        (1, "1 to 2 Hr", "CR Desk", None, "cr@ozonetel.com", ("Toll-free", "1800 123 150150")),
        (2, "2 to 4 Hr", "Sravanthi C", None, "sravanthi.c@ozonetel.com", None),
        (3, "4 to 8 Hr", "Rampradeep Kumar", None, "rampradeep.kumar@ozonetel.com", ("Mobile", "+91 9686255526")),
    ],
}
REGIONS = {
    "India": (
        None,
        [
            ("Toll Free", "1800 123 150150"),
            ("Toll", "+91 80 68970018"),
            ("Toll", "+91 80 47486799"),
            ("Toll", "+91 80 35216705"),
        ],
    ),
    "USA": ("support@getkookoo.com", [("Contact", "+1 559 888 7084")]),
    "UK": ("support@getkookoo.com", [("Contact", "+44 203 9848368")]),
    "Singapore": ("support.sea@ozonetel.com", [("Contact", "+65 3138 9148")]),
    "UAE": ("uae.support@ozonetel.com", [("Contact", "+971 452 60004")]),
    "Malaysia": ("support.sea@ozonetel.com", [("Contact", "+60 3921 25991")]),
    "Philippines": ("support.sea@ozonetel.com", [("Contact", "+63 2639 6996")]),
}
TEXT = (DATA / "matrix.toml").read_text("utf-8")


def altered(tmp_path, *changes):
    """Load the matrix with some words of its file changed."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "matrix.toml"
    path.write_text(text, "utf-8")
    return load_matrix(path)


# --- The published facts ---


def test_severities_are_the_published_ones(matrix):
    loaded = [(s.id, s.name, s.definition, s.example, s.respond_minutes, s.resolve_minutes) for s in matrix.severities]
    assert loaded == SEVERITIES


def test_rows_are_the_published_ones(matrix):
    owners = {owner.id: owner.description for owner in matrix.owners}
    assert [(t.description, owners[t.owner], t.severity) for t in matrix.issue_types] == ROWS


def test_only_the_ivr_row_is_worked_by_the_flow_desk(matrix):
    assert [t.id for t in matrix.issue_types if t.queue != "General"] == ["ivr_not_working"]
    assert matrix.issue_type("ivr_not_working").queue == "CR desk"


@pytest.mark.parametrize("queue", LEVELS)
def test_levels_are_the_published_ones(matrix, queue):
    desk = next(d for d in matrix.desks if d.queue == queue)
    loaded = [(x.level, x.published, x.name, x.role, x.email, x.phone and (x.phone_kind, x.phone)) for x in desk.levels]
    assert loaded == LEVELS[queue]


def test_desks_have_the_published_titles_and_mail(matrix):
    assert [(d.queue, d.title, d.email) for d in matrix.desks] == [
        ("General", "General Support Escalation", None),
        ("CR desk", "IVR/Chat Flow Support", "cr@ozonetel.com"),
    ]


def test_regions_are_the_published_ones(matrix):
    assert {r.id: (r.email, [(n.kind, n.number) for n in r.numbers]) for r in matrix.regions} == REGIONS


def test_no_fact_beyond_the_published_ones():
    addresses = {x for levels in LEVELS.values() for level in levels for x in level[4:5] if x}
    addresses |= {email for email, _ in REGIONS.values() if email}
    assert set(re.findall(r"[\w.]+@[\w.]+\w", TEXT)) == addresses


# --- Escalation ---


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("General", [(0, 60), (60, 240), (240, None)]),  # 1-2 h, then 4 h: level 2 holds in between
        ("CR desk", [(0, 120), (120, 240), (240, 480)]),  # published from 1 h on: level 1 holds from minute 0
    ],
)
def test_gaps_are_held_by_the_level_before(matrix, queue, expected):
    contacts = matrix.escalation(queue)
    assert [(c.after_minutes, c.until_minutes) for c in contacts] == expected


def test_a_first_level_that_is_published_later_holds_from_minute_zero(tmp_path):
    matrix = altered(tmp_path, ('published = "1 to 2 Hr"\nafter_minutes = 0', 'published = "x"\nafter_minutes = 60'))
    assert [c.after_minutes for c in matrix.escalation("CR desk")] == [0, 120, 240]


@pytest.mark.parametrize("region", REGIONS)
def test_first_level_names_the_region_s_desk(matrix, region):
    email, numbers = REGIONS[region]
    first, second, _ = matrix.escalation("General", region)
    assert (first.email, first.phone) == (email, numbers[0][1])
    assert second.email == "hewit.m@ozonetel.com"
    assert matrix.escalation("CR desk", region) == matrix.escalation("CR desk")


@pytest.mark.parametrize("said", ["uae", "UAE", " Uae "])
def test_regions_are_found_in_any_case(matrix, said):
    assert matrix.region(said).id == "UAE"


@pytest.mark.parametrize("said", ["Mars", "U A E", "India;", "x" * 1000, "\x00"])
def test_unknown_regions_are_refused_with_those_that_there_are(matrix, said):
    with pytest.raises(UnknownRegionError, match=r"unknown region.*India, USA, UK") as caught:
        matrix.region(said)
    assert caught.value.field == "region"


def test_no_region_is_the_default_one(matrix):
    assert matrix.region(None).id == "India"


# --- Targets ---


@pytest.mark.parametrize(
    ("severity", "opened", "respond", "resolve"),
    [
        ("P0", "2026-03-01T10:00:00+00:00", "2026-03-01T10:30:00+00:00", "2026-03-01T12:00:00+00:00"),
        ("P0", "2026-02-28T23:45:00+00:00", "2026-03-01T00:15:00+00:00", "2026-03-01T01:45:00+00:00"),
        ("P0", "2024-02-28T23:45:00+05:30", "2024-02-29T00:15:00+05:30", "2024-02-29T01:45:00+05:30"),
        ("P1", "2025-12-31T22:30:00-08:00", "2026-01-01T00:30:00-08:00", "2026-01-01T06:30:00-08:00"),
        ("P2", "2026-03-07T15:00:00+00:00", "2026-03-07T19:00:00+00:00", "2026-03-08T07:00:00+00:00"),  # a Saturday
        ("P3", "2026-03-01T10:00:00+04:00", "2026-03-01T18:00:00+04:00", "2026-03-08T10:00:00+04:00"),
    ],
)
def test_targets_count_around_the_clock(matrix, severity, opened, respond, resolve):
    targets = matrix.targets(severity, datetime.fromisoformat(opened))
    assert (targets.respond_by.isoformat(), targets.resolve_by.isoformat()) == (respond, resolve)


def test_targets_of_one_instant_are_one_instant_in_every_time_zone(matrix):
    opened = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
    here = matrix.targets("P1", opened)
    there = matrix.targets("P1", opened.astimezone(timezone(timedelta(hours=8))))
    assert (here.respond_by, here.resolve_by) == (there.respond_by, there.resolve_by)


def test_targets_without_an_opening_time_are_minutes_alone(matrix):
    targets = matrix.targets("P2", None)
    assert (targets.respond_minutes, targets.resolve_minutes) == (240, 960)
    assert targets.respond_by is None
    assert targets.resolve_by is None


# --- What lowers a severity ---


@pytest.mark.parametrize(
    ("issue_type", "impact", "severity"),
    [
        ("agent_portal_down", "full", "P0"),
        ("agent_portal_down", "slow", "P1"),
        ("agent_portal_down", "workaround", "P1"),
        ("agent_portal_down", "few", "P2"),
        ("agent_portal_down", "question", "P3"),
        ("admin_portal_down", "slow", "P1"),  # a P1 row that is slow stays P1
        ("admin_portal_down", "workaround", "P2"),
        ("admin_portal_down", "few", "P2"),
        ("pri_down", "few", "P2"),
        ("pri_down", "workaround", "P2"),
        ("reports", "few", "P3"),
        ("reports", "full", "P3"),
        ("ivr_not_working", "branch", "P1"),
        ("ivr_not_working", "prompt", "P2"),
        ("agent_portal_down", "branch", None),
        ("other", "full", None),
        ("other", "stopped", "P0"),
        ("other", "main", "P1"),
        ("other", "limited", "P2"),
        ("other", "none", "P3"),
        ("other", "no_issue", "P3"),
        ("pri_down", "stopped", None),
    ],
)
def test_impacts_lower_by_the_matrix_s_own_definitions(matrix, issue_type, impact, severity):
    assert matrix.severity_after(issue_type, impact) == severity


def test_no_impact_raises_a_documented_row(matrix):
    order = matrix.severity_ids.index
    for row in matrix.issue_types:
        for impact in matrix.impacts:
            after = matrix.severity_after(row.id, impact.id)
            assert after is None or order(after) >= order(row.severity)


def test_impact_for_is_the_inverse(matrix):
    for issue_type in matrix.issue_type_ids:
        for severity in matrix.severity_ids:
            impact = matrix.impact_for(issue_type, severity)
            assert impact is None or matrix.severity_after(issue_type, impact) == severity
    assert matrix.impact_for("reports", "P0") is None


# --- Errors name table and key ---


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('severity = "P0"\nqueue', 'severity = "P9"\nqueue', "issue_types[0].severity: 'P9' is not one of P0"),
        ('owner = "Telco"\nsev', 'owner = "Airtel"\nsev', "issue_types[10].owner: 'Airtel'"),
        ('queue = "CR desk"\n\n[[issue', 'queue = "CRM"\n\n[[issue', "issue_types[2].queue: 'CRM'"),
        ('id = "P1"', 'id = "P0"', "severities: 'P0' stands twice"),
        ('id = "webrtc_not_working"', 'id = "agent_portal_down"', "issue_types: 'agent_portal_down' stands twice"),
        ('id = "USA"', 'id = "india"', "regions: 'india' stands twice"),
        ('default_region = "India"', 'default_region = "Mars"', "default_region: 'Mars'"),
        ("respond_minutes = 30", "respond_minutes = 0", "severities[0].respond_minutes: Input should be greater"),
        ("respond_minutes = 30", 'respond_minutes = "soon"', "severities[0].respond_minutes: Input should be a valid"),
        ("respond_minutes = 30", "respond_minute = 30", "severities[0].respond_minutes: Field required"),
        ("respond_minutes = 30", "respond_minute = 30", "severities[0].respond_minute: Extra inputs are not permitted"),
        ('company = "Ozonetel"', "", "company: Field required"),
        ('company = "Ozonetel"', 'company = ""', "company: String should have at least 1 character"),
        ("after_minutes = 240\nname", "after_minutes = 30\nname", "desks[0].levels: after_minutes must rise"),
        ("until_minutes = 480", "until_minutes = 60", "desks[1].levels[2].until_minutes: must lie after"),
        ('becomes = { P0 = "P1" }', 'becomes = { P0 = "P7" }', "impacts[1].becomes/severity: 'P7'"),
        ('rows = ["ivr_not_working"]', 'rows = ["ivr"]', "impacts[4].rows: 'ivr'"),
        ('severity = "P3"\nqueue', 'severity = "P3"\nqueues', "issue_types[14].queues: Extra inputs"),
        ('owner = "Telco", queue = "General"', 'owner = "Telco", queue = "X"', "undocumented.also[1].queue: 'X'"),
        ('[undocumented]\nid = "other"', '[undocumented]\nid = "reports"', "issue_types: 'reports' stands twice"),
    ],
)  # fmt: skip
def test_errors_name_table_and_key(tmp_path, old, new, said):
    with pytest.raises(MatrixError, match=re.escape(said)) as caught:
        altered(tmp_path, (old, new))
    assert str(tmp_path / "matrix.toml") in str(caught.value)


def test_a_row_that_no_impact_keeps_is_an_error(tmp_path):
    changes = [("becomes = {}", 'becomes = { P2 = "P3" }')]
    changes += [('becomes = { P0 = "P1" }', 'severity = "P3"')]
    changes += [('becomes = { P0 = "P1", P1 = "P2" }', 'severity = "P3"')]
    changes += [('becomes = { P0 = "P2", P1 = "P2" }', 'severity = "P3"')]
    with pytest.raises(MatrixError, match="none of them keeps the row 'pri_down' at its own severity"):
        altered(tmp_path, *changes)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"company =", "not valid TOML"), (b"\xff\xfe\x00", "not valid TOML"), (b"", "company: Field required")],
)
def test_what_is_no_matrix_is_named(tmp_path, content, said):
    path = tmp_path / "m.toml"
    path.write_bytes(content)
    with pytest.raises(MatrixError, match=said):
        load_matrix(path)


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(MatrixError, match="cannot be read"):
            load_matrix(path)


def test_unknown_ids_are_key_errors(matrix):
    for look_up in (matrix.severity, matrix.issue_type, matrix.impact):
        with pytest.raises(KeyError):
            look_up("nothing")


# --- Digest: does a model still fit? ---


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("hewit.m@ozonetel.com", "someone@ozonetel.com", True),
        ("respond_minutes = 30", "respond_minutes = 15", True),
        ("+971 452 60004", "+971 452 60005", True),
        ('description = "a question"', 'description = "somebody asks"', True),
        ('description = "Cloud Agent WebRTC is not working"', 'description = "the browser phone is dead"', True),
        ('severity = "P2"\nqueue', 'severity = "P1"\nqueue', False),
        ('owner = "Telco"\nsev', 'owner = "Ozonetel"\nsev', False),
        ('becomes = { P0 = "P1" }', 'becomes = { P0 = "P2" }', False),
        ('    { owner = "Ozonetel", queue = "CR desk" },\n', "", False),
    ],
)
def test_digest_changes_with_what_decides_labels_alone(matrix, tmp_path, old, new, same):
    assert (altered(tmp_path, (old, new)).digest == matrix.digest) is same


def test_digest_is_stable(matrix):
    assert Matrix.model_validate(tomllib.loads(TEXT)).digest == matrix.digest


# --- Change the file, and the service answers differently ---


def test_a_changed_fact_changes_the_answer(tmp_path, open_app):
    altered(tmp_path, ("respond_minutes = 30", "respond_minutes = 7"), ("hewit.m@ozonetel.com", "new@example.com"))
    settings = Settings.from_env(
        {"ISSUE_ROUTER_MATRIX": str(tmp_path / "matrix.toml"), "ISSUE_ROUTER_STATE_DIR": str(tmp_path)}
    )
    reply = open_app(settings).test_client().post("/api/v1/route", json={"text": "Agent portal is down"}).get_json()
    assert reply["targets"]["respond_minutes"] == 7
    assert reply["escalation"][1]["email"] == "new@example.com"


# --- Families of impacts ---


def test_issue_types_with_the_same_impacts_are_one_family(matrix):
    families = {t: matrix.impact_family(t) for t in matrix.issue_type_ids}
    assert matrix.impact_families == ("agent_portal_down", "ivr_not_working", "other")
    assert families["ivr_not_working"] == "ivr_not_working"
    assert families["other"] == "other"
    assert {f for t, f in families.items() if t not in ("ivr_not_working", "other")} == {"agent_portal_down"}
    with pytest.raises(KeyError):
        matrix.impact_family("nonsense")


# --- Another company ---

OTHER_MATRIX = """
company = "Bean & Brew"
product = "Coffee machines"
default_region = "North"

severities = [
    { id = "Red", name = "Red", definition = "no coffee", example = "", respond_minutes = 5, resolve_minutes = 60 },
    { id = "Amber", name = "Amber", definition = "bad", example = "", respond_minutes = 90, resolve_minutes = 600 },
]
owners = [{ id = "Maker", description = "ours" }, { id = "Waterworks", description = "theirs" }]
issue_types = [
    { id = "no_brew", description = "It does not brew", owner = "Maker", severity = "Red", queue = "Mechanics" },
    { id = "no_water", description = "The tap is dry", owner = "Waterworks", severity = "Amber", queue = "Mechanics" },
]
impacts = [
    { id = "whole", description = "nothing lowers it", except_rows = ["anything"] },
    { id = "mild", description = "a question", severity = "Amber" },
]
desks = [
    { queue = "Mechanics", title = "Mechanics", levels = [
        { level = 1, published = "at once", after_minutes = 0, name = "Hotline", regional = true },
        { level = 2, published = "later", after_minutes = 30, name = "Ada", phone = "112" },
    ] },
    { queue = "Recipes", title = "Recipes", levels = [
        { level = 1, published = "whenever", after_minutes = 0, name = "Barista", email = "barista@example.com" },
    ] },
]
regions = [
    { id = "North", email = "north@example.com", numbers = [{ kind = "Any", number = "1" }] },
    { id = "South", numbers = [{ kind = "Any", number = "2" }] },
]

[undocumented]
id = "anything"
owner = "Maker"
queue = "Recipes"
severity = "Amber"
"""
OTHER_RULES = """
[[issue]]
name = "brew"
issue_type = "no_brew"
any = ["no coffee", "not brew*"]

[[issue]]
name = "water"
issue_type = "no_water"
any = ["tap", "water"]

[[impact]]
name = "asks"
impact = "mild"
any = ["how to"]
"""
OTHER_EXAMPLES = [
    ("the machine will not brew a cup", "no_brew", "Red", "Maker", "Mechanics"),
    ("no coffee comes out when I press brew", "no_brew", "Red", "Maker", "Mechanics"),
    ("brew button dead, no coffee for the whole office", "no_brew", "Red", "Maker", "Mechanics"),
    ("how to brew a stronger coffee with this machine", "no_brew", "Amber", "Maker", "Mechanics"),
    ("the tap is dry, no water in the street", "no_water", "Amber", "Waterworks", "Mechanics"),
    ("water pressure of the tap is gone", "no_water", "Amber", "Waterworks", "Mechanics"),
    ("street water was cut off by the city", "no_water", "Amber", "Waterworks", "Mechanics"),
    ("please send a recipe for cold milk foam", "anything", "Amber", "Maker", "Recipes"),
    ("a recipe for tea would be nice", "anything", "Amber", "Maker", "Recipes"),
    ("which recipe uses cold milk", "anything", "Amber", "Maker", "Recipes"),
]


def other_company(folder):
    """Write another company's matrix, rules and examples, and return the settings that name them."""
    (folder / "matrix.toml").write_text(OTHER_MATRIX, "utf-8")
    (folder / "rules.toml").write_text(OTHER_RULES, "utf-8")
    columns = ["text", "issue_type", "severity", "owner", "queue", "group"]
    rows = [(*example, f"sitting{n % 2}") for n, example in enumerate(OTHER_EXAMPLES * 6)]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "issues.csv", index=False)
    matrix = folder / "matrix.toml"
    return Settings.from_env({"ISSUE_ROUTER_MATRIX": str(matrix), "ISSUE_ROUTER_STATE_DIR": str(folder / "state")})


def test_another_company_s_rules_route(tmp_path, open_app):
    client = open_app(other_company(tmp_path)).test_client()
    reply = client.post("/api/v1/route", json={"text": "There is NO COFFEE", "region": "south"}).get_json()
    assert [reply[label] for label in ("severity", "owner", "queue", "issue_type", "decided_by", "rule")] == [
        "Red",
        "Maker",
        "Mechanics",
        "no_brew",
        "rules",
        "brew",
    ]
    assert reply["targets"]["respond_minutes"] == 5
    assert [(c["name"], c["email"], c["phone"]) for c in reply["escalation"]] == [
        ("Hotline", None, "2"),
        ("Ada", None, "112"),
    ]
    asked = client.post("/api/v1/route", json={"text": "How to get no coffee"}).get_json()
    assert (asked["severity"], asked["impact"]) == ("Amber", "mild")
    assert client.post("/api/v1/route", json={"text": "x", "region": "India"}).status_code == 422
    assert client.get("/api/v1/matrix").get_json()["company"] == "Bean & Brew"


def test_another_company_s_words_are_in_its_page_and_description(tmp_path, open_app):
    client = open_app(other_company(tmp_path)).test_client()
    page = client.get("/").get_data(as_text=True)
    described = client.get("/openapi.json").get_data(as_text=True)
    assert "Bean &amp; Brew" in page
    assert "South" in page
    for text in (page, described):
        assert "Ozonetel" not in text
        assert "Telco" not in text
        assert "P0" not in text
    assert "Waterworks" in described


def test_another_company_s_examples_train_its_model(tmp_path, open_app):
    settings = other_company(tmp_path)
    matrix = load_matrix(settings.matrix)
    rules = load_rules(settings.rules, matrix)
    trained = train(read_examples(settings.examples, matrix), matrix, rules, jobs=1)
    router = Router(matrix, rules, trained.model.named("v1"))
    client = open_app(settings, router).test_client()
    for text, issue_type, severity, owner, queue in OTHER_EXAMPLES:
        reply = client.post("/api/v1/route", json={"text": text}).get_json()
        assert (reply["issue_type"], reply["severity"]) == (issue_type, severity), text
        assert (reply["owner"], reply["queue"]) == (owner, queue), text
        assert reply["model_version"] == "v1"
