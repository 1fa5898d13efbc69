"""From a wrong answer to a right one: correct over HTTP, retrain by the notebook, see the running server follow."""

import csv
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import papermill
import pytest

ROOT = Path(__file__).parent.parent
COMMAND = str(Path(sys.executable).with_name("issue-router"))
VOICES = (
    "{}",
    "Hello team, {} since morning",
    "URGENT: {}",
    "{}, please check",
    "sir {} kindly do needful",
    "hi, {} now",
)
IMPACTS = {"full": "{}", "slow": "{} fully but it is only slow and intermittent", "few": "{} for just one agent"}
NEW_KIND = "the fingerprint turnstile of {} refuses every badge"
PLACES = ("Pune", "Delhi", "Chennai", "Indore", "Kochi", "Jaipur", "Surat", "Nagpur", "Bhopal", "Mysuru")
UNSEEN = NEW_KIND.format("Lucknow")
RIGHT = {"issue_type": "other", "severity": "P1", "owner": "Ozonetel", "queue": "CR desk"}


@pytest.fixture
def easy_examples(tmp_path, matrix):
    """The documented sentences by several voices, whole and lowered, which any model gets right."""
    path = tmp_path / "easy.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file).writerow
        write(["text", "issue_type", "severity", "owner", "queue", "group", "impact"])
        for n, voice in enumerate(VOICES):
            for row in matrix.issue_types:
                for impact, words in IMPACTS.items():
                    severity = matrix.severity_after(row.id, impact)
                    text = voice.format(words.format(row.description))
                    write([text, row.id, severity, row.owner, row.queue, f"voice{n}", impact])
    return path


@pytest.fixture
def environment(tmp_path):
    """Settings of a router of its own, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ours = {"STATE_DIR": tmp_path / "state", "PORT": port, "WORKERS": 2, "RELOAD_SECONDS": 0.2}
    others = {k: v for k, v in os.environ.items() if not k.startswith("ISSUE_ROUTER_")}
    return others | {f"ISSUE_ROUTER_{name}": str(value) for name, value in ours.items()}


@pytest.fixture
def run(environment):
    """Runs an `issue-router` command."""
    return lambda *words: subprocess.run([COMMAND, *words], env=environment, check=True, capture_output=True, text=True)


@pytest.fixture
def server(environment, easy_examples, run, tmp_path):
    """A running server, over a model of the easy examples."""
    run("train", "--examples", str(easy_examples))
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen([COMMAND, "serve"], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{environment['ISSUE_ROUTER_PORT']}"
    try:
        wait_for(lambda: answers(url), seconds=60)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def answers(url):
    try:
        return urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def post(url, body):
    """Post JSON; anything but success raises."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def route(url, text):
    return post(f"{url}/api/v1/route", {"text": text})


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def follows(url, version):
    """Wait until both processes answer by a version; every request on the way must succeed."""
    row = []

    def answered():
        row.append(route(url, UNSEEN))
        return all(reply["model_version"] == version for reply in row[-20:]) and row[-1]

    return wait_for(answered, seconds=15)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the kernel's libraries
def test_ten_corrections_retrain_promote_and_roll_back(server, easy_examples, environment, run, tmp_path, monkeypatch):
    before = route(server, UNSEEN)
    assert {label: before[label] for label in RIGHT} != RIGHT

    for place in PLACES:
        wrong = route(server, NEW_KIND.format(place))
        post(f"{server}/api/v1/corrections", {"routing_id": wrong["id"], "who": "Asha", **RIGHT})
    corrected = route(server, NEW_KIND.format("Pune"))
    assert corrected["decided_by"] == "person"
    assert {label: corrected[label] for label in RIGHT} == RIGHT
    assert route(server, UNSEEN)["queue"] == before["queue"]  # nothing is learned yet

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    papermill.execute_notebook(
        str(ROOT / "notebooks" / "retrain.ipynb"),
        str(tmp_path / "done.ipynb"),
        {"examples": str(easy_examples), "promote": True},
        kernel_name="python3",
        progress_bar=False,
    )
    champion = json.loads((tmp_path / "state" / "models" / "champion.json").read_text("utf-8"))
    assert champion["previous"] == [before["model_version"]]
    learned = follows(server, champion["version"])
    assert learned["decided_by"] == "model"
    assert {label: learned[label] for label in RIGHT} == RIGHT

    run("models", "rollback")
    again = follows(server, before["model_version"])
    assert {label: again[label] for label in RIGHT} == {label: before[label] for label in RIGHT}
