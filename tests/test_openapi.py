"""The description of the API holds for every operation of a real running server."""

import json
import re
import urllib.request

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

OPERATIONS = [
    ("POST", "/api/v1/route"),
    ("POST", "/api/v1/route:batch"),
    ("POST", "/api/v1/corrections"),
    ("GET", "/api/v1/matrix"),
    ("GET", "/api/v1/model"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


def bounded(path):
    """Few examples for corrections: one of an unknown routing waits two seconds for another process to write it."""
    return settings(
        max_examples=5 if path.endswith("corrections") else 10,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode("utf-8", "replace")


@pytest.fixture(scope="module")
def description(server):
    return json.loads(get(f"{server}/openapi.json"))


@pytest.fixture(scope="module")
def api(server):
    return schemathesis.openapi.from_url(f"{server}/openapi.json")


def test_every_operation_is_described_and_tested(description):
    found = [(method.upper(), path) for path, item in description["paths"].items() for method in item]
    assert sorted(found) == sorted(OPERATIONS)
    assert description["openapi"].startswith("3.1")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_description_allows_is_answered_as_it_says(api, method, path):
    @bounded(path)
    @given(case=api[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case):
        case.call_and_validate(timeout=30, excluded_checks=excluded)

    # which labels go together is the matrix's business, and more than a schema can say
    excluded = [positive_data_acceptance] if path.endswith("corrections") else []
    check()


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in OPERATIONS if m == "POST"])
def test_what_the_description_forbids_is_refused_as_it_says(api, method, path):
    @bounded(path)
    @given(case=api[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def check(case):
        case.call_and_validate(timeout=30)

    check()


def test_limits_and_labels_are_described(description, matrix):
    schemas = description["components"]["schemas"]
    route, correction = schemas["RouteRequest"]["properties"], schemas["CorrectionRequest"]["properties"]
    assert route["text"]["maxLength"] == 50_000
    assert route["region"]["enum"] == [*(r.id for r in matrix.regions), None]
    assert schemas["BatchRequest"]["properties"]["texts"]["maxItems"] == 1_000
    assert correction["severity"]["enum"] == [*matrix.severity_ids, None]
    assert "oneOf" in schemas["CorrectionRequest"]
    assert correction["issue_type"]["enum"] == [*matrix.issue_type_ids, None]


def test_fields_are_those_of_the_answers(description):
    reply = description["components"]["schemas"]["RouteReply"]
    assert set(reply["required"]) == set(reply["properties"])
    public = (
        "id severity owner queue issue_type confidence needs_review review_reasons decided_by alternatives evidence"
    )
    assert set(f"{public} targets escalation model_version".split()) <= set(reply["properties"])


def test_docs_are_served_from_our_own_host_alone(server):
    page = get(f"{server}/docs/")
    assert "openapi.json" in page
    loaded = re.findall(r"""<(?:script|link|img)[^>]*?(?:src|href)=["']([^"']+)""", page)
    assert loaded
    for address in loaded:
        assert not re.match(r"(?:https?:)?//", address)
        if not address.startswith("data:"):
            assert get(f"{server}/docs/{address}" if not address.startswith("/") else server + address)
    assert not re.findall(r"https?://(?!127\.0\.0\.1|www\.w3\.org)[\w.]+", page)


def test_the_page_is_served_from_our_own_host_alone(server):
    page = get(server)
    script = get(f"{server}/static/page.js") + get(f"{server}/static/page.css")
    assert not re.findall(r"(?:https?:)?//\w+\.\w+", page + script)
