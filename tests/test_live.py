"""The champion is exchanged under load; what cannot be loaded leaves the old one, or the rules, serving."""

import http.client
import json
import shutil
import threading
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from conftest import NOW, serving

from model.registry import Registry
from service.live import LiveRouter, open_router
from service.settings import Settings

DOWN = "Cloud Agent WebRTC is not working"


@pytest.fixture
def registry_of(state):
    return Registry(state / "models")


@pytest.fixture
def live(state):
    router = LiveRouter(Settings(state_dir=state, reload_seconds=0.02))
    yield router
    router.close()


def save_next(registry, tiny, tiny_kept):
    later = NOW + timedelta(days=len(registry.versions()))
    return registry.save(tiny.model, created_at=later, data={}, metrics={}, out_of_group=tiny_kept)


def eventually(true, seconds=10):
    for _ in range(int(seconds / 0.02)):
        if true():
            return True
        time.sleep(0.02)
    return False


def artefact(registry, name="model.joblib"):
    return registry.folder / "versions" / registry.champion().version / name


def edit_manifest(registry, **changes):
    path = artefact(registry, "manifest.json")
    manifest = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(manifest | changes), "utf-8")


def other_scikit_learn(registry):
    edit_manifest(registry, libraries={"scikit-learn": "0.1"})


DAMAGES = {
    "deleted": (lambda registry: artefact(registry).unlink(), "artefact cannot be read"),
    "truncated": (
        lambda registry: artefact(registry).write_bytes(artefact(registry).read_bytes()[:-50]),
        "digest differs",
    ),
    "empty": (lambda registry: artefact(registry).write_bytes(b""), "digest differs"),
    "other scikit-learn": (other_scikit_learn, "made by scikit-learn 0.1"),
    "other matrix": (lambda registry: edit_manifest(registry, matrix_sha256="0"), "another matrix"),
    "no manifest": (lambda registry: artefact(registry, "manifest.json").unlink(), "no version"),
    "broken manifest": (
        lambda registry: artefact(registry, "manifest.json").write_text("{"),
        "manifest cannot be read",
    ),
    "list for a manifest": (lambda registry: artefact(registry, "manifest.json").write_text("[]"), "not of format"),
    "manifest without digest": (lambda registry: edit_manifest(registry, artefact={}), "manifest is not whole"),
    "manifest without libraries": (lambda registry: edit_manifest(registry, libraries=None), "manifest is not whole"),
    "manifest without policy": (lambda registry: edit_manifest(registry, policy={}), ""),
    "broken pointer": (lambda registry: (registry.folder / "champion.json").write_text("{"), "champion.json cannot be"),
    "pointer astray": (
        lambda registry: (registry.folder / "champion.json").write_text(
            '{"version": "../x", "promoted_at": "", "previous": []}'
        ),
        "not the name of a version",
    ),
    "nothing promoted": (lambda registry: (registry.folder / "champion.json").unlink(), "no model was promoted yet"),
    "no folder": (lambda registry: shutil.rmtree(registry.folder), "no model was promoted yet"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_model_that_cannot_be_used_leaves_the_rules(state, registry_of, open_app, damage):
    break_it, said = DAMAGES[damage]
    break_it(registry_of)
    client = open_app(Settings(state_dir=state)).test_client()
    reply = client.post("/api/v1/route", json={"text": DOWN}).get_json()
    assert (reply["decided_by"], reply["severity"]) == ("rules", "P0")
    ready = client.get("/readyz").get_json()
    assert ready["status"] == "degraded"
    assert ready["model_version"] is None
    assert ready["problems"][0].startswith("model: ")
    assert said in ready["problems"][0]
    assert said in client.get("/api/v1/model").get_json()["problem"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_command_line_s_router_answers_from_rules_too(state, registry_of, damage):
    DAMAGES[damage][0](registry_of)
    assert open_router(Settings(state_dir=state)).route(DOWN).decision.decided_by == "rules"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_next_version_leaves_the_old_one_serving(live, registry_of, tiny, tiny_kept, damage):
    before = live.router.model_version
    version = save_next(registry_of, tiny, tiny_kept)
    registry_of.promote(version, promoted_at=NOW)
    DAMAGES[damage][0](registry_of)
    live.refresh()
    assert live.router.model_version == before
    assert live.status.version == before
    assert live.status.problem
    assert DAMAGES[damage][1] in live.status.problem
    assert live.router.route(DOWN).decision.decided_by == "model"


def test_a_promoted_version_serves_soon_and_a_rollback_too(live, registry_of, tiny, tiny_kept):
    live.start()
    before = live.status.version
    version = save_next(registry_of, tiny, tiny_kept)
    assert live.status.version == before  # saved is not promoted
    registry_of.promote(version, promoted_at=NOW)
    assert eventually(lambda: live.status.version == version)
    assert live.router.route(DOWN).decision.model_version == version
    registry_of.rollback(promoted_at=NOW)
    assert eventually(lambda: live.status.version == before)


def test_a_mended_version_is_taken(live, registry_of):
    content = artefact(registry_of).read_bytes()
    artefact(registry_of).write_bytes(content[:-10])
    live.refresh()
    assert "digest differs" in live.status.problem
    artefact(registry_of).write_bytes(content)
    live.refresh()
    assert live.status.problem == ""


def test_the_first_model_ever_is_taken(state, tmp_path, tiny, tiny_kept):
    live = LiveRouter(Settings(state_dir=tmp_path / "new"))
    assert live.router.route(DOWN).decision.decided_by == "rules"
    registry = Registry(tmp_path / "new" / "models")
    registry.promote(save_next(registry, tiny, tiny_kept), promoted_at=NOW)
    live.refresh()
    assert live.router.route(DOWN).decision.decided_by == "model"
    live.close()


def test_nothing_is_loaded_while_nothing_changes(live):
    router = live.router
    live.refresh()
    assert live.router is router


def test_the_champion_is_exchanged_under_load_without_a_failed_request(state, registry_of, tiny, tiny_kept):
    versions = [registry_of.champion().version]
    answers = []
    done = threading.Event()

    def ask(address):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        body = json.dumps({"text": DOWN})
        while not done.is_set():
            connection.request("POST", "/api/v1/route", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            reply = json.loads(answer.read())
            answers.append((answer.status, reply["decided_by"], reply["severity"], reply["model_version"]))
        connection.close()

    with serving(state) as (_, url):
        askers = [threading.Thread(target=ask, args=(urlsplit(url),)) for _ in range(3)]
        for asker in askers:
            asker.start()
        try:
            for _ in range(3):
                versions.append(save_next(registry_of, tiny, tiny_kept))
                registry_of.promote(versions[-1], promoted_at=NOW)
                assert eventually(lambda: answers and answers[-1][3] == versions[-1], 20)
        finally:
            done.set()
            for asker in askers:
                asker.join()
    assert {answer[:3] for answer in answers} == {(200, "model", "P0")}
    assert {answer[3] for answer in answers} == set(versions)
