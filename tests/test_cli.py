"""The command line answers as the API does, and its exit codes can be relied on by scripts."""

import csv
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from click.testing import CliRunner
from conftest import DATA, NOW, serving

from model.registry import Registry
from service.cli import main
from service.settings import Settings

SCRIPT = Path(sys.executable).parent / "issue-router"
DOWN = "Cloud Agent WebRTC is not working"


@pytest.fixture
def run(state, monkeypatch):
    """Runs a command over a state folder with the tiny model."""
    monkeypatch.setenv("ISSUE_ROUTER_STATE_DIR", str(state))

    def run(*arguments, **options):
        return CliRunner().invoke(main, arguments, **options)

    return run


def environ(state, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ISSUE_ROUTER_")}
    return kept | {"ISSUE_ROUTER_STATE_DIR": str(state)} | more


# --- Route ---


def test_route_prints_one_json_object(run):
    result = run("route", DOWN, "--region", "uae", "--opened-at", "2026-03-01T10:00:00Z")
    assert result.exit_code == 0
    reply = json.loads(result.stdout)
    assert (reply["severity"], reply["owner"], reply["queue"], reply["decided_by"]) == (
        "P0",
        "Ozonetel",
        "General",
        "model",
    )
    assert reply["targets"]["respond_by"] == "2026-03-01T10:30:00Z"
    assert reply["escalation"][0]["email"] == "uae.support@ozonetel.com"


@pytest.mark.parametrize(
    "text",
    [
        DOWN,
        "<p>our IVR \U0001f600 is <b>dead</b></p>",
        "zyzzyva",
        "only one agent, \u0939\u093f\u0928\u094d\u0926\u0940",
    ],
)
def test_route_prints_what_the_api_answers(run, open_app, state, text):
    printed = json.loads(run("route", text, "--opened-at", "2026-03-01T10:00:00Z").stdout)
    client = open_app(Settings(state_dir=state)).test_client()
    answered = client.post("/api/v1/route", json={"text": text, "opened_at": "2026-03-01T10:00:00Z"}).get_json()
    assert printed | {"id": ""} == answered | {"id": ""}
    assert list(printed) == list(answered)


def test_route_reads_a_file_and_standard_input(run, tmp_path):
    (tmp_path / "t.txt").write_text(DOWN + "\n", "utf-8")
    assert json.loads(run("route", "--file", str(tmp_path / "t.txt")).stdout)["severity"] == "P0"
    assert json.loads(run("route", "--file", "-", input=DOWN).stdout)["severity"] == "P0"


def test_route_of_a_text_that_looks_like_an_option(run):
    assert run("route", "--", "--- IVR dead ---").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["route"], 2, "give either TEXT or --file"),
        (["route", "x", "--file", "-"], 2, "give either TEXT or --file"),
        (["route", ""], 2, "the text is empty"),
        (["route", " \n"], 2, "the text is empty"),
        (["route", "x", "y"], 2, "unexpected extra argument"),
        (["route", "--file", "/nowhere/x"], 2, "No such file"),
        (["route", "x", "--opened-at", "soon"], 2, "--opened-at: write an ISO 8601 date and time"),
        (["route", "x", "--region", "Mars"], 1, "unknown region 'Mars'; the matrix has India"),
        (["route", "x", "--colour"], 2, "No such option"),
        (["nothing"], 2, "No such command"),
        (["evaluate", "/nowhere/x.csv"], 1, "the examples cannot be read"),
        (["models", "promote", "nothing"], 1, "no version 'nothing'; there are"),
        (["models", "promote", "../x"], 1, "not the name of a version"),
        (["models", "show", "nothing"], 1, "no version 'nothing'"),
        (["models", "rollback"], 1, "no earlier version"),
        (["models", "prune", "--keep", "0"], 2, "--keep"),
        (["train", "--examples", "/nowhere/x.csv"], 1, "the examples cannot be read"),
        (["serve", "--port", "70000"], 2, "--port"),
    ],
)
def test_errors_are_one_line_and_a_code(run, arguments, code, said):
    result = run(*arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_file_that_is_no_text_is_named(run, tmp_path):
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe\x00")
    result = run("route", "--file", str(tmp_path / "t.txt"))
    assert result.exit_code == 2
    assert "not UTF-8" in result.stderr


def test_a_bad_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("ISSUE_ROUTER_PORT", "high")
    result = run("route", "x")
    assert result.exit_code == 1
    assert result.stderr == "issue-router: ISSUE_ROUTER_PORT: 'high' is not a positive whole number\n"


def test_without_a_model_the_rules_answer(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ISSUE_ROUTER_STATE_DIR", str(tmp_path / "empty"))
    reply = json.loads(run("route", DOWN).stdout)
    assert (reply["decided_by"], reply["severity"], reply["model_version"]) == ("rules", "P0", None)


def commands(group, name=()):
    yield name
    for part, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*name, part))


@pytest.mark.parametrize("name", list(commands(main)), ids=" ".join)
def test_every_command_and_option_has_help(run, name):
    result = run(*name, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    command = main
    for part in name:
        command = command.commands[part]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_version(run):
    assert "version" in run("--version").stdout


# --- Evaluate ---


@pytest.fixture
def few(tmp_path):
    path = tmp_path / "few.csv"
    rows = [(DOWN, "P0"), ("Cloud Agent Admin portal is down", "P1"), ("Issues related to Cloud Agent reports", "P3")]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("text", "severity", "owner", "queue"), *((t, s, "Ozonetel", "General") for t, s in rows)]
        )
    return path


def test_evaluate_prints_every_figure_as_json(run, few):
    result = run("evaluate", str(few), "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["texts"] == 3
    for label in ("severity", "owner", "queue"):
        assert set(report[label]) == {"accuracy", "macro_f1", "recall", "expected_calibration_error"}
    assert report["severity"]["accuracy"] == 1.0
    assert report["severity"]["recall"] == {"P0": 1.0, "P1": 1.0, "P3": 1.0}
    assert (report["p0_recall"], report["dangerous_misses"]) == (1.0, 0.0)
    assert {"coverage", "precision", "model_version"} <= set(report)
    assert report["model_version"]


def test_evaluate_the_rules_alone(run, few):
    report = json.loads(run("evaluate", str(few), "--json", "--rules-only").stdout)
    assert report["model_version"] is None
    assert report["severity"]["accuracy"] == 1.0
    assert report["severity"]["expected_calibration_error"] is None


def test_evaluate_by_a_column(run, few):
    parts = json.loads(run("evaluate", str(few), "--json", "--by", "severity").stdout)["slices"]["severity"]
    assert sum(part["texts"] for part in parts) == 3
    assert [part["severity"] for part in parts] == ["P0", "P1", "P3"]
    assert {"texts", "severity_right", "owner_right", "queue_right", "coverage", "precision"} <= set(parts[0])
    assert "severity  texts" in run("evaluate", str(few), "--by", "severity").stdout
    refused = run("evaluate", str(few), "--by", "mood")
    assert refused.exit_code == 1
    assert "no column 'mood'; there are text" in refused.stderr


def test_evaluate_prints_a_table(run, few):
    result = run("evaluate", str(few))
    assert "severity" in result.stdout
    assert "recall of the most severe class" in result.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,severity\nx,P0\n", "column owner, queue is missing"),
        ("text,severity,owner,queue\nx,P7,Ozonetel,General\n", "line 2, column severity: 'P7'"),
    ],
)
def test_evaluate_names_what_is_wrong(run, tmp_path, content, said):
    (tmp_path / "x.csv").write_text(content, "utf-8")
    result = run("evaluate", str(tmp_path / "x.csv"))
    assert result.exit_code == 1
    assert said in result.stderr


# --- Train and models ---


def test_train_list_promote_and_roll_back(run, state, tiny_examples, tmp_path):
    examples = tmp_path / "tiny.csv"
    tiny_examples.to_csv(examples, index=False)
    registry = Registry(state / "models")
    [first] = registry.versions()
    result = run("train", "--examples", str(examples), "--no-promote")
    assert result.exit_code == 0, result.stderr
    assert "out of group" in result.stdout
    assert "is saved" in result.stdout
    second = registry.versions()[-1]
    assert registry.champion().version == first
    assert "sha256" in json.loads(run("models", "show", second).stdout)["artefact"]
    assert run("models", "promote", second, "--force").exit_code == 0
    listed = run("models", "list").stdout.splitlines()
    assert [line[0] for line in listed] == [" ", "*"]
    assert second in listed[1]
    assert run("models", "rollback").stdout == f"version {first} serves again\n"
    assert registry.champion().version == first


def test_a_refused_promotion_has_a_code_of_its_own(run, state, tiny, tiny_kept):
    worse = tiny_kept.assign(severity="P3", issue_type="reports", owner="Ozonetel", queue="General")
    later = NOW + timedelta(days=1)
    registry = Registry(state / "models")
    version = registry.save(tiny.model, created_at=later, data={}, metrics={}, out_of_group=worse)
    before = registry.champion().version
    result = run("models", "promote", version)
    assert result.exit_code == 3
    assert f"version {version} is not promoted" in result.stderr
    assert registry.champion().version == before


def test_listing_no_versions_says_what_to_do(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ISSUE_ROUTER_STATE_DIR", str(tmp_path / "empty"))
    result = run("models", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "issue-router train" in result.stderr


def test_prune_keeps_the_champion(run, state, tiny, tiny_kept):
    registry = Registry(state / "models")
    champion = registry.champion().version
    for day in (1, 2):
        later = NOW + timedelta(days=day)
        registry.save(tiny.model, created_at=later, data={}, metrics={}, out_of_group=tiny_kept)
    assert run("models", "prune", "--keep", "1").exit_code == 0
    assert registry.versions()[0] == champion
    assert len(registry.versions()) == 2


# --- Real processes ---


def test_a_real_process_prints_json_alone(state):
    done = subprocess.run(
        [SCRIPT, "route", DOWN], env=environ(state), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["decided_by"] == "model"


def test_a_real_process_fails_with_a_code(state):
    done = subprocess.run(
        [SCRIPT, "route", "x", "--region", "Mars"],
        env=environ(state),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("issue-router: region: unknown region 'Mars'")
    assert done.stderr.count("\n") == 1


def test_serve_with_a_port_that_is_taken_ends(state, server):
    port = str(urlsplit(server).port)
    done = subprocess.run(
        [SCRIPT, "serve", "--port", port], env=environ(state), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_serve_with_a_broken_matrix_ends_at_once(state, tmp_path):
    (tmp_path / "m.toml").write_text(
        (DATA / "matrix.toml").read_text("utf-8").replace('id = "P1"', 'id = "P0"'), "utf-8"
    )
    done = subprocess.run(
        [SCRIPT, "serve", "--port", "1"],
        env=environ(state, ISSUE_ROUTER_MATRIX=str(tmp_path / "m.toml")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "severities: 'P0' stands twice" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_when_told_to_and_leaves_nothing(state, end):
    with serving(state) as (process, _):  # its one worker has started: it answered
        process.send_signal(end)
        assert process.wait(30) == 0
    assert not list(state.glob("metrics-*"))


def test_a_worker_that_ends_is_replaced(state):
    def route(url):
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        connection.request("POST", "/api/v1/route", json.dumps({"text": DOWN}), {"Content-Type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        return status

    with serving(state, workers=1) as (process, url):
        for end in (signal.SIGKILL, signal.SIGTERM):
            assert route(url) == 200
            [worker] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8").split()
            os.kill(int(worker), end)
            deadline = time.monotonic() + 30
            while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            while time.monotonic() < deadline:
                try:
                    if route(url) == 200:
                        break
                except (OSError, http.client.HTTPException):
                    time.sleep(0.1)
            assert route(url) == 200
            assert process.poll() is None
