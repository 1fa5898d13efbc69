import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import main

TICKETS = (
    "Ticket Id,Subject,Ticket Description,Priority (Ticket)\n007,PRI is down,-,Urgent\n008,IVR is not working,,Low\n"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `issue-router label` in a folder with `in.csv`, without a model."""
    monkeypatch.setenv("ISSUE_ROUTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text(TICKETS)
    return lambda *arguments, **options: CliRunner().invoke(main, ["label", *arguments], **options)


def test_label_says_what_it_did(run):
    result = run("in.csv", "-o", "out.csv", "--compare", "Priority (Ticket)=severity")
    assert result.exit_code == 0
    for words in (
        "text from: Subject, Ticket Description",
        "added: severity, owner, queue, issue_type, confidence, needs_review, decided_by, model_version, review_",
        "2 rows, ",
        "severity: P0 1, P1 0, P2 1, P3 0",
        "owner: Ozonetel 1, Telco 1",
        "rows per second",
        "0.0% agree",
        "comparison: out.csv.compare.csv",
    ):
        assert words in result.output
    rows = list(csv.DictReader(Path("out.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["Ticket Id"], row["owner"]) for row in rows] == [("007", "Telco"), ("008", "Ozonetel")]


def test_malformed_lines_have_their_own_exit_code(run):
    Path("in.csv").write_text(TICKETS + "009,short\n")
    result = run("in.csv", "-o", "out.csv")
    assert result.exit_code == 3
    assert "line 4: 2 cells where the header has 4" in result.stderr
    assert "out.csv.rejected" in result.stderr
    assert "009,short" in Path("out.csv.rejected").read_text()


def test_standard_output_carries_rows_alone(run):
    result = run("-", "-o", "-", "--output-format", "jsonl", input=TICKETS)
    assert result.exit_code == 0
    assert [json.loads(line)["severity"] for line in result.stdout.splitlines()] == ["P2", "P0"]
    assert "2 rows" in result.stderr


def test_dry_run_shows_labels_and_writes_nothing(run):
    Path("in.csv").write_text(TICKETS.replace("PRI is down", "PRI \x1b[31m is [bold] down"))
    before = {path.name for path in Path().iterdir()} | {"state"}
    result = run("in.csv", "--dry-run", env={"COLUMNS": "160"})
    assert result.exit_code == 0
    assert "Telco" in result.stdout
    assert "[bold]" in result.stdout
    assert "\x1b" not in result.stdout
    assert {path.name for path in Path().iterdir()} | {"state"} == before


def test_dry_run_is_read_on_a_narrow_terminal_too(run):
    Path("in.csv").write_text(TICKETS)
    lines = run("in.csv", "--dry-run", env={"COLUMNS": "80"}).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("P2, Telco, General" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["in.csv"], 2, "-o OUT"),
        (["nowhere.csv", "-o", "out.csv"], 1, "nowhere.csv: there is no such file"),
        (["in.csv", "-o", "in.csv"], 1, "is the input"),
        (["in.csv", "-o", "out.csv", "--text", "Body"], 1, "Columns: Ticket Id, Subject"),
        (["in.csv", "-o", "no/out.csv"], 1, "there is no folder"),
        (["in.csv", "-o", "-", "--resume"], 1, "--resume"),
        pytest.param(
            *(["in.csv", "-o", "/proc/out.csv"], 1, "/proc/out.csv: cannot be locked"),
            marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that nobody can write to"),
        ),
        (["envelope.json", "-o", "out.json"], 1, "take the array of tickets out of the object"),
        (["in.csv", "-o", "out.csv", "--backend", "dask"], 1, "--scheduler"),
        (["in.csv", "-o", "out.csv", "--scheduler", "tcp://127.0.0.1:1"], 1, "give --backend dask too"),
        (["in.csv", "-o", "out.csv", "--sheet", "Export"], 1, "the file is csv, not XLSX"),
        (["in.csv", "-o", "out.csv", "--jobs", "0"], 2, "--jobs"),
        (["in.csv", "-o", "out.csv", "--encoding", "klingon"], 1, "klingon"),
    ],
)
def test_errors_are_one_line_and_leave_no_output(run, arguments, code, words):
    Path("envelope.json").write_text('{\n"tickets": [{"subject": "PRI is down"}]}')
    result = run(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert not Path("out.csv").exists()
    assert not list(Path().glob("out.csv*"))


@pytest.mark.parametrize(("name", "character"), [("semicolon", ";"), ("tab", "\t"), ("|", "|")])
def test_delimiters_have_names(run, name, character):
    Path("in.csv").write_text(f"id,x{character}Subject\n1,2{character}PRI is down\n")
    result = run("in.csv", "-o", "out.csv", "--delimiter", name)
    assert result.exit_code == 0
    assert f"PRI is down{character}P2" in Path("out.csv").read_text()


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on_and_leaves_no_output(tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("id,subject\n" + "".join(f"{n},PRI is down {n}\n" for n in range(60_000)))
    environment = {**os.environ, "ISSUE_ROUTER_STATE_DIR": str(tmp_path / "state")}
    command = [Path(sys.executable).with_name("issue-router"), "label", source, "-o", target, "--chunk-rows", "200"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    journal = tmp_path / "out.csv.progress"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert not target.exists()
