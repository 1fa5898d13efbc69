"""Every operation answers, in the application and over a real server, and nothing gives a 500."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.router import Router
from service.settings import Settings

DOWN = "Cloud Agent WebRTC is not working"
JSON = "application/json"
PROBLEM = "application/problem+json"


@pytest.fixture(params=["application", "server"])
def send(request):
    """Sends a request, to an application or a real server; gives status, media type and body."""
    if request.param == "application":
        client = request.getfixturevalue("client")

        def send(method, path, body=None, media=JSON):
            headers = {"Content-Type": media} if media else {}
            answer = client.open(path, method=method, data=body, headers=headers)
            return answer.status_code, answer.mimetype, answer.get_data()

        return send
    address = urlsplit(request.getfixturevalue("server"))

    def send(method, path, body=None, media=JSON):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": media} if media else {})
            answer = connection.getresponse()
            return answer.status, (answer.headers.get_content_type()), answer.read()
        finally:
            connection.close()

    return send


@pytest.fixture
def post(send):
    """Posts a value as JSON and reads the answer."""

    def post(path, value):
        status, media, body = send("POST", path, json.dumps(value).encode())
        assert media == (JSON if status < 400 else PROBLEM)
        return status, json.loads(body)

    return post


# --- Routing ---


def test_route(post):
    sent = {"text": DOWN, "region": "UAE", "opened_at": "2026-03-01T10:00:00Z"}
    status, reply = post("/api/v1/route", sent)
    assert status == 200
    assert (reply["severity"], reply["owner"], reply["queue"]) == ("P0", "Ozonetel", "General")
    assert reply["issue_type"] == "webrtc_not_working"
    assert reply["decided_by"] == "model"
    assert set(reply["confidence"]) == {"severity", "owner", "queue"}
    assert all(0 <= value <= 1 for value in reply["confidence"].values())
    assert reply["needs_review"] == bool(reply["review_reasons"])
    assert reply["targets"]["respond_minutes"] == 30
    assert reply["targets"]["resolve_minutes"] == 120
    assert datetime.fromisoformat(reply["targets"]["respond_by"]).isoformat() == "2026-03-01T10:30:00+00:00"
    assert datetime.fromisoformat(reply["targets"]["resolve_by"]).isoformat() == "2026-03-01T12:00:00+00:00"
    assert reply["escalation"][0] == {
        "level": 1,
        "name": "Customer Support Desk",
        "role": None,
        "email": "uae.support@ozonetel.com",
        "phone": "+971 452 60004",
        "after_minutes": 0,
        "until_minutes": 60,
    }
    assert reply["id"]
    assert reply["model_version"]
    assert reply["evidence"]
    for part in reply["evidence"]:
        assert DOWN[part["start"] : part["end"]] == part["words"]
        assert set(part) == {"words", "start", "end", "label", "weight"}
    assert set(reply["alternatives"][0]) == {"issue_type", "severity", "owner", "queue", "probability"}


def test_text_alone_is_enough(post):
    status, reply = post("/api/v1/route", {"text": "<p>our IVR \U0001f600 is <b>dead</b></p>"})
    assert status == 200
    assert reply["escalation"]
    opened = datetime.fromisoformat(reply["targets"]["respond_by"])
    assert opened.tzinfo is not None


@pytest.mark.parametrize(
    ("opened_at", "respond_by"),
    [
        ("2026-03-01T23:45:00", "2026-03-02T00:15:00+00:00"),
        ("2026-03-01T23:45:00+05:30", "2026-03-02T00:15:00+05:30"),
        ("2026-03-01T23:45:00.250Z", "2026-03-02T00:15:00.250000+00:00"),
        ("2024-02-28T23:45:00-08:00", "2024-02-29T00:15:00-08:00"),
        ("9998-12-31T23:45:00Z", "9999-01-01T00:15:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:30:00+00:00"),
    ],
)
def test_deadlines_count_from_the_opening(post, opened_at, respond_by):
    status, reply = post("/api/v1/route", {"text": DOWN, "opened_at": opened_at})
    assert status == 200
    assert datetime.fromisoformat(reply["targets"]["respond_by"]) == datetime.fromisoformat(respond_by)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n\t"}, "text"),
        ({"text": None}, "text"),
        ({"text": 5}, "text"),
        ({"text": ["x"]}, "text"),
        ({"text": {"a": 1}}, "text"),
        ({"text": "x" * 50_001}, "text"),
        ({"text": "x", "region": "Mars"}, "region"),
        ({"text": "x", "region": 5}, "region"),
        ({"text": "x", "opened_at": "yesterday"}, "opened_at"),
        ({"text": "x", "opened_at": ""}, "opened_at"),
        ({"text": "x", "opened_at": 5}, "opened_at"),
        ({"text": "x", "opened_at": "2026-03-01"}, "opened_at"),
        ({"text": "x", "opened_at": "2026-02-30T10:00:00Z"}, "opened_at"),
        ({"text": "x", "opened_at": "9999-12-31T23:59:59Z"}, "opened_at"),
        ({"text": "x", "opened_at": "0001-01-01T00:00:00+14:00"}, None),
        ({"text": "x", "opened": "2026-03-01T10:00:00Z"}, "opened"),
        ([], "body"),
        ("x", "body"),
        (None, "body"),
        (5, "body"),
    ],
)
def test_errors_of_route_name_the_field(post, sent, field):
    status, reply = post("/api/v1/route", sent)
    if field is None:
        assert status in {200, 422}
        return
    assert status == 422
    assert [e["field"] for e in reply["errors"]] == [field]
    assert reply["errors"][0]["message"]
    assert reply["status"] == 422
    assert reply["title"]
    assert field in reply["detail"]
    assert reply["type"] == "about:blank"


def test_an_error_does_not_repeat_the_text(send):
    _, _, body = send("POST", "/api/v1/route", json.dumps({"text": "secret words", "region": 5, "x": "more"}).encode())
    assert b"secret" not in body


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"", JSON, 400),
        (b"{", JSON, 400),
        (b'{"text": "x"', JSON, 400),
        (b'{"text": "\xff"}', JSON, 400),
        ('{"text": "x"}'.encode("utf-16"), JSON, 400),
        (b"text=x", "application/x-www-form-urlencoded", 415),
        (b'{"text": "x"}', "text/plain", 415),
        (b'{"text": "x"}', None, 415),
        (b'{"text": "agent portal down"}', "application/json; charset=utf-8", 200),
        (b'{"text": "\\ud800 agent portal down"}', JSON, None),
        (b'{"text": "a\\u0000b"}', JSON, None),
        (b'{"text": "x", "text": "y"}', JSON, None),
        (b'{"text": NaN}', JSON, None),
        (b"[" * 100_000, JSON, 400),
        (b'{"text": "' + b"x" * 25_000_000 + b'"}', JSON, 413),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("path", ["/api/v1/route", "/api/v1/route:batch", "/api/v1/corrections"])
def test_what_is_no_json_is_a_client_s_error(send, path, body, media, status):
    try:
        found, kind, answer = send("POST", path, body, media)
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413  # the server closes instead of reading on
        return
    if status is None or (path != "/api/v1/route" and status == 200):
        assert found < 500
    else:
        assert found == status
    assert kind == (PROBLEM if found >= 400 else JSON)
    assert json.loads(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/route", 405),
        ("PUT", "/api/v1/route", 405),
        ("DELETE", "/api/v1/matrix", 405),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/nothing", 404),
        ("POST", "/", 405),
        ("GET", "/api/v1/route/../../../etc/passwd", 404),
        ("GET", "/static/../app.py", 404),
    ],
)
def test_what_is_not_there_is_a_problem(send, method, path, status):
    found, media, body = send(method, path, media=None)
    assert (found, media) == (status, PROBLEM)
    assert json.loads(body)["status"] == status


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["text", "texts", "region", "opened_at", "severity", "who"]), inner)
        ),
        max_leaves=6,
    ),
    st.sampled_from(["/api/v1/route", "/api/v1/route:batch", "/api/v1/corrections"]),
)
def test_no_json_gives_a_500(client, value, path):
    answer = client.post(path, data=json.dumps(value), content_type=JSON)
    assert answer.status_code < 500


# --- Several at once ---


def test_batch_answers_as_route_does(post):
    texts = [DOWN, "", "Ozonetel PRI is down / flapping in Ozonetel IDC", DOWN]
    sent = {"texts": texts, "region": "UK", "opened_at": "2026-03-01T10:00:00Z"}
    status, reply = post("/api/v1/route:batch", sent)
    assert status == 200
    assert len(reply["results"]) == 4
    for text, result in zip(texts, reply["results"], strict=True):
        if text:
            _, alone = post("/api/v1/route", {"text": text, "region": "UK", "opened_at": sent["opened_at"]})
            assert result | {"id": ""} == alone | {"id": ""}
    assert reply["results"][1]["review_reasons"] == ["empty-text"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": "x"}, "texts"),
        ({"texts": ["x", 5]}, "texts.1"),
        ({"texts": ["x", None]}, "texts.1"),
        ({"texts": ["x"] * 1_001}, "texts"),
        ({"texts": ["x", "y" * 50_001]}, "texts.1"),
        ({"texts": ["x"], "region": "Mars"}, "region"),
        ({"texts": ["x"], "opened_at": "soon"}, "opened_at"),
    ],
)
def test_errors_of_batch_name_the_field(post, sent, field):
    status, reply = post("/api/v1/route:batch", sent)
    assert status == 422
    assert [e["field"] for e in reply["errors"]] == [field]


# --- Corrections ---


def test_a_correction_by_id_wins_at_once(post):
    text = f"Cloud Agent Admin portal is down, corrected by {post.__name__}"
    _, before = post("/api/v1/route", {"text": text})
    status, made = post("/api/v1/corrections", {"routing_id": before["id"], "severity": "P3", "who": "Asha"})
    assert status == 201
    assert (made["severity"], made["owner"], made["who"]) == ("P3", before["owner"], "Asha")
    assert made["id"]
    _, after = post("/api/v1/route", {"text": text})
    assert (after["decided_by"], after["severity"]) == ("person", "P3")
    assert after["confidence"] == {"severity": None, "owner": None, "queue": None}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 422),
        ({"severity": "P1"}, 422),
        ({"text": "x", "severity": "P9", "owner": "Ozonetel", "queue": "General"}, 422),
        ({"text": "x", "issue_type": "reports", "owner": "Telco"}, 422),
        ({"text": "x", "routing_id": "y", "severity": "P1"}, 422),
        ({"text": "", "issue_type": "reports"}, 422),
        ({"text": "x" * 50_001, "issue_type": "reports"}, 422),
        ({"text": "x", "issue_type": "reports", "who": "y" * 101}, 422),
        ({"text": "x", "issue_type": "reports", "note": "y" * 2001}, 422),
        ({"routing_id": "0" * 32, "severity": "P1"}, 404),
        ({"routing_id": "\x00", "severity": "P1"}, 422),
    ],
)
def test_errors_of_corrections(post, sent, status):
    found, reply = post("/api/v1/corrections", sent)
    assert found == status
    assert reply["detail"]
    assert bool(reply["errors"]) == (status == 422)


# --- What there is to know ---


def test_matrix(send, matrix):
    status, _, body = send("GET", "/api/v1/matrix", media=None)
    assert status == 200
    assert type(matrix).model_validate_json(body) == matrix


def test_model_of_a_server_says_how_good_it_is(server):
    address = urlsplit(server)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("GET", "/api/v1/model")
    reply = json.loads(connection.getresponse().read())
    connection.close()
    assert reply["version"] == reply["manifest"]["version"]
    assert reply["problem"] == ""
    metrics = reply["manifest"]["metrics"]
    for label in ("severity", "owner", "queue", "issue_type"):
        assert 0 < metrics[label]["macro_f1"] <= 1


def test_health(send):
    status, _, body = send("GET", "/livez", media=None)
    assert (status, json.loads(body)["status"]) == (200, "ok")
    status, _, body = send("GET", "/readyz", media=None)
    reply = json.loads(body)
    assert (status, reply["status"], reply["problems"]) == (200, "ok", [])
    assert reply["model_version"]


def test_metrics_count_decisions_and_hold_no_text(send, post):
    post("/api/v1/route", {"text": "zyzzyva agent portal is down"})
    status, media, body = send("GET", "/metrics", media=None)
    assert (status, media) == (200, "text/plain")
    assert b"issue_router_decisions_total{" in body
    assert b"issue_router_routing_seconds_bucket" in body
    assert b"zyzzyva" not in body


def test_without_a_model_the_rules_answer(open_app, rules_router, tmp_path):
    client = open_app(Settings(state_dir=tmp_path), rules_router).test_client()
    reply = client.post("/api/v1/route", json={"text": DOWN}).get_json()
    assert (reply["decided_by"], reply["severity"], reply["model_version"]) == ("rules", "P0", None)
    assert reply["confidence"] == {"severity": None, "owner": None, "queue": None}
    assert client.get("/readyz").get_json()["status"] == "degraded"
    assert client.get("/api/v1/model").get_json()["manifest"] is None


def test_a_store_that_is_down_refuses_corrections_and_nothing_else(open_app, tiny_router, tmp_path):
    (tmp_path / "file").touch()
    settings = Settings(state_dir=tmp_path, corrections_url=f"sqlite:///{tmp_path}/file/x.sqlite3")
    client = open_app(settings, tiny_router).test_client()
    assert client.post("/api/v1/route", json={"text": DOWN}).get_json()["decided_by"] == "model"
    answer = client.post("/api/v1/corrections", json={"text": DOWN, "issue_type": "reports"})
    assert answer.status_code == 503
    assert answer.mimetype == PROBLEM
    ready = client.get("/readyz").get_json()
    assert ready["status"] == "degraded"
    assert ready["problems"][0].startswith("corrections:")


def test_a_bug_is_a_problem_too_and_tells_nothing(open_app, tiny_router, tmp_path, monkeypatch, caplog):
    client = open_app(Settings(state_dir=tmp_path), tiny_router).test_client()

    def fail(*_args, **_kwargs):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Router, "route_many", fail)
    answer = client.post("/api/v1/route", json={"text": "words of a customer"})
    assert (answer.status_code, answer.mimetype) == (500, PROBLEM)
    assert "secret" not in answer.get_data(as_text=True)
    assert "words of a customer" not in caplog.text


def test_limits_are_settings(open_app, tiny_router, tmp_path):
    limits = Settings(state_dir=tmp_path, max_text_characters=10, max_batch_texts=2)
    client = open_app(limits, tiny_router).test_client()
    assert client.post("/api/v1/route", json={"text": "x" * 10}).status_code == 200
    assert client.post("/api/v1/route", json={"text": "x" * 11}).status_code == 422
    assert client.post("/api/v1/route:batch", json={"texts": ["x"] * 3}).status_code == 422


def test_the_longest_text_is_taken_however_it_is_written(post):
    assert post("/api/v1/route", {"text": "\U0001f600" * 50_000})[0] == 200


def test_many_at_once(server):
    address = urlsplit(server)

    def one(n):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        body = json.dumps({"text": f"Agent portal is down {n}"})
        connection.request("POST", "/api/v1/route", body, {"Content-Type": JSON})
        answer = connection.getresponse()
        reply = json.loads(answer.read())
        connection.close()
        return answer.status, reply["severity"]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(80))) == {(200, "P0")}


def test_a_correction_without_a_label_is_refused(client):
    answer = client.post("/api/v1/corrections", json={"text": "Agents cannot log in", "who": "Asha"})
    assert answer.status_code == 422
    assert "at least one of severity, owner, queue and issue_type" in answer.get_json()["detail"]
