"""The commands of the README do what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    re.sub(r"\s+#.*$", "", command.replace("\\\n", " "), flags=re.MULTILINE).strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for command in re.findall(r"^\$ ((?:.*\\\n)*.*)", block, re.MULTILINE)
]


def commands(part):
    found = [command for command in COMMANDS if part in command]
    assert found, f"the README has no command with {part!r}"
    return found


@pytest.fixture
def run(server, state, tmp_path):
    """Runs a command of the README, against our server and a copy of its state, in a folder of its own."""
    environ = os.environ | {"ISSUE_ROUTER_STATE_DIR": str(state)}

    def run(command):
        command = command.replace("http://127.0.0.1:8000", server)
        command = command.replace(".venv/bin/", f"{Path(sys.executable).parent}/").replace(" data/", f" {ROOT}/data/")
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {command.split()[1] for command in COMMANDS if command.startswith("make ")}
    assert {"serve", "test", "notebook", "retrain"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_posting_and_the_command_line_answer_alike(run):
    [post] = commands("/api/v1/route ")
    [route] = commands("issue-router route")
    posted, printed = json.loads(run(post)), json.loads(run(route))
    for reply in (posted, printed):
        assert (reply["severity"], reply["owner"], reply["queue"]) == ("P0", "Ozonetel", "General")
        assert reply["escalation"][0]["phone"] == "+971 452 60004"
    assert {**posted, "id": "", "targets": ""} == {**printed, "id": "", "targets": ""}


def test_a_correction_wins(run):
    [post] = commands("/api/v1/route ")
    [correct] = commands("/api/v1/corrections")
    post = post.replace("all 60 of them", "as the README corrects them")
    reply = json.loads(run(post))
    assert json.loads(run(correct.replace("THE id OF THE ANSWER", reply["id"])))["severity"] == "P2"
    assert json.loads(run(post))["decided_by"] == "person"


def test_labelling_a_file(run, tmp_path):
    tickets = pd.DataFrame({"Id": ["007", "8"], "Subject": ["IVR not playing any prompt", "Logo looks blurred"]})
    tickets.to_csv(tmp_path / "tickets.csv", index=False)
    [label] = commands("issue-router label")
    run(label)
    labelled = pd.read_csv(tmp_path / "labelled.csv", dtype=str)
    assert labelled["Id"].tolist() == ["007", "8"]
    added = ["severity", "owner", "queue", "issue_type", "confidence", "needs_review", "decided_by", "model_version"]
    assert labelled.columns.tolist()[2:10] == added


def test_models_and_evaluation(run, state):
    [listing] = commands("models list")
    assert run(listing).startswith("* ")
    for command in commands("evaluate data/heldout.csv"):
        assert "recall of each class" in run(command)


def test_the_answer_shown_has_the_keys_of_a_real_one(run):
    [shown] = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    [post] = commands("/api/v1/route ")
    shown, real = json.loads(shown), json.loads(run(post))
    assert shown.keys() <= real.keys()
    for key in ("targets", "confidence"):
        assert shown[key].keys() <= real[key].keys()
    assert shown["escalation"][0] | real["escalation"][0] == real["escalation"][0]
