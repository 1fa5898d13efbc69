import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from openpyxl import load_workbook

from model.errors import BatchError
from model.router import Router
from service import backends
from service.app import create_app
from service.backends import Processes, label_in_order
from service.batch import BatchOptions, label_file, preview
from service.chunks import Chunk
from service.compare import known_values, map_value
from service.settings import Settings
from service.tables.labels import RowLabels, label_texts

TEXTS = [
    "PRI is down since ten",
    "Agents cannot log in to the portal",
    "",
    "IVR plays no prompt",
    "thanks",
    "Report is late",
]


def write_tickets(path, rows=30):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Ticket ID", "Subject", "Description", "Priority"])
        for n in range(rows):
            writer.writerow([f"{n:05}", TEXTS[n % len(TEXTS)], f"case {n % 7}", ["Urgent", "low", "P1", "??"][n % 4]])
    return path


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Killed(BaseException):
    """Stands for the end of the process: nobody catches it."""


def killed_after(chunks):
    """Return a progress callback that ends the run after some chunks."""
    calls = iter(range(chunks))

    def on_progress(rows, share):
        if next(calls, None) is None:
            raise Killed

    return on_progress


def test_every_row_is_kept_in_order_and_labelled_as_the_router_does(tmp_path, tiny_router):
    source, target = write_tickets(tmp_path / "in.csv"), tmp_path / "out.csv"
    summary = label_file(source, target, tiny_router, BatchOptions(jobs=1, chunk_rows=7))
    before, after = read_csv(source), read_csv(target)
    assert [{key: row[key] for key in before[0]} for row in after] == before
    for row in after:
        routed = tiny_router.route(f"{row['Subject']}\n{row['Description']}".strip()).decision
        assert row["severity"] == routed.labels.severity
        assert row["confidence"] == (f"{routed.confidence.least():.4f}" if routed.confidence else "")
        assert row["needs_review"] == ("true" if routed.needs_review else "false")
        assert (row["decided_by"], row["model_version"]) == (routed.decided_by, "tiny")
    assert summary.rows == 30
    assert sum(summary.severity.values()) == sum(summary.owner.values()) == sum(summary.queue.values()) == 30
    assert summary.review == sum(row["needs_review"] == "true" for row in after) > 0
    assert summary.text_columns == ("Subject", "Description")


def test_a_file_and_the_api_give_the_same_routing_to_the_last_digit(tmp_path, tiny_router):
    source, target = write_tickets(tmp_path / "in.csv", 60), tmp_path / "out.jsonl"
    label_file(source, target, tiny_router, BatchOptions(jobs=2, chunk_rows=9))
    client = create_app(Settings(state_dir=tmp_path / "state"), tiny_router).test_client()
    for line in target.read_text().splitlines():
        ticket = json.loads(line)
        text = f"{ticket['Subject']}\n{ticket['Description']}".strip()
        reply = client.post("/api/v1/route", json={"text": text}).get_json()
        for name in ("severity", "owner", "queue", "issue_type", "needs_review", "decided_by", "model_version"):
            assert ticket[name] == reply[name]
        assert ticket["review_reasons"] == "; ".join(reply["review_reasons"])
        sure = reply["confidence"].values()
        assert ticket["confidence"] == (None if None in sure else min(sure))


def test_an_empty_ticket_is_kept_for_review_with_a_reason(tmp_path, tiny_router):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('id,subject\n1,\n2,"  "\n3,"\x00"\n')
    label_file(source, target, tiny_router)
    assert [(row["needs_review"], row["review_reasons"]) for row in read_csv(target)] == [("true", "empty-text")] * 3


def test_processes_give_the_same_bytes_as_one(tmp_path, tiny_router):
    source = write_tickets(tmp_path / "in.csv", 60)
    label_file(source, tmp_path / "one.csv", tiny_router, BatchOptions(jobs=1, chunk_rows=5))
    label_file(source, tmp_path / "two.csv", tiny_router, BatchOptions(jobs=2, chunk_rows=5))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize(
    "name", ["out.csv", "out.csv.gz", "out.jsonl.gz", "out.json", "out.tsv", "out.xlsx", "out.xlsx.gz"]
)
def test_a_killed_run_is_resumed_without_labelling_a_row_twice(tmp_path, rules_router, name):
    source = write_tickets(tmp_path / "in.csv")
    source.write_bytes(source.read_bytes().replace(b"00011,", b"00011,extra,") + b"last,\n")
    options = BatchOptions(chunk_rows=4, jobs=1, compare=("Priority=severity",))
    whole, target = tmp_path / "whole" / name, tmp_path / name
    whole.parent.mkdir()
    expected = label_file(source, whole, rules_router, options)
    with pytest.raises(Killed):
        label_file(source, target, rules_router, options, on_progress=killed_after(3))
    assert not target.exists()
    # The kill came in the middle of the next chunk.
    with (tmp_path / f"{name}.partial").open("ab") as file:
        file.write(b"half a ro")
    with (tmp_path / f"{name}.progress").open("a") as file:
        file.write('\n{"chunks": 5, "si')

    class Counting(Router):
        labelled = 0

        def decide_many(self, texts, *, explain=False):
            Counting.labelled += len(texts)
            return super().decide_many(texts, explain=explain)

    counting = Counting(rules_router.matrix, rules_router.rules)
    summary = label_file(
        source, target, counting, BatchOptions(chunk_rows=4, jobs=1, compare=("Priority=severity",), resume=True)
    )
    assert Counting.labelled <= summary.rows - summary.resumed < summary.rows
    if name.endswith((".xlsx", ".xlsx.gz")):  # the format holds the time of writing
        for path in (whole, target):
            if name.endswith(".gz"):
                path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        plain = name.removesuffix(".gz")
        first, second = (
            [[cell.value for cell in row] for row in load_workbook(folder / plain).active]
            for folder in (whole.parent, tmp_path)
        )
        assert first == second
        assert len(first) == expected.rows + 1
    else:
        assert target.read_bytes() == whole.read_bytes()
    assert (summary.rows, summary.severity, summary.review) == (expected.rows, expected.severity, expected.review)
    assert (summary.rejected, summary.problems) == (expected.rejected, expected.problems)
    assert summary.confusions == expected.confusions
    assert (tmp_path / f"{name}.rejected").read_bytes() == Path(f"{whole}.rejected").read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".partial", ".progress", ".lock")]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("input", "input"),
        ("options", "--text changed"),
        ("model", "model"),
        ("partial", "not what the journal says"),
    ],
)
def test_a_run_is_not_resumed_over_something_else(tmp_path, rules_router, tiny_router, change, word):
    source, target = write_tickets(tmp_path / "in.csv"), tmp_path / "out.csv"
    with pytest.raises(Killed):
        label_file(source, target, rules_router, BatchOptions(chunk_rows=4, jobs=1), on_progress=killed_after(2))
    options = BatchOptions(chunk_rows=4, jobs=1, resume=True, text=("Subject",) if change == "options" else ())
    if change == "input":
        source.write_bytes(source.read_bytes() + b"x,y,z,w\n")
    if change == "partial":
        partial = tmp_path / "out.csv.partial"
        partial.write_bytes(partial.read_bytes().replace(b"00003", b"99999"))
    with pytest.raises(BatchError, match=word):
        label_file(source, target, tiny_router if change == "model" else rules_router, options)
    assert not target.exists()
    label_file(source, target, rules_router, BatchOptions(chunk_rows=4, jobs=1))  # starting over works
    assert len(read_csv(target)) == 30 + (change == "input")


def test_resume_without_an_unfinished_run_starts_from_the_beginning(tmp_path, rules_router):
    source, target = write_tickets(tmp_path / "in.csv"), tmp_path / "out.csv"
    summary = label_file(source, target, rules_router, BatchOptions(resume=True))
    assert (summary.rows, summary.resumed) == (30, 0)


def test_malformed_lines_are_written_raw_and_counted(tmp_path, rules_router):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b'id,subject\r\n1,PRI down\r\n2\r\n3,"caf\xe9\r\n4,ok\r\n')
    summary = label_file(source, target, rules_router, BatchOptions(encoding="utf-8"))
    assert (summary.rows, summary.rejected) == (2, 2)
    assert [problem.number for problem in summary.problems] == [3, 4]
    rejected = (tmp_path / "out.csv.rejected").read_bytes()
    assert b"\n2\r\n" in rejected
    assert b'\n3,"caf\xe9\r\n' in rejected
    source.write_bytes(b"id,subject\r\n1,PRI down\r\n")
    label_file(source, target, rules_router)
    assert not (tmp_path / "out.csv.rejected").exists()


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx", "out.json"])
def test_a_refused_run_leaves_nothing_behind(tmp_path, rules_router, name):
    target = tmp_path / name
    target.write_text("before")
    source = tmp_path / "in.csv"
    source.write_text("id,when\n1,2\n")
    with pytest.raises(BatchError, match="--text"):
        label_file(source, target, rules_router)
    assert target.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", name}


@pytest.mark.parametrize("kind", ["missing", "same", "folder", "link", "no-folder", "file-as-folder"])
def test_paths_that_cannot_be_are_clear_errors(tmp_path, rules_router, kind):
    source, target = write_tickets(tmp_path / "in.csv"), tmp_path / "out.csv"
    if kind == "missing":
        source = tmp_path / "nowhere.csv"
    elif kind == "link":
        target.symlink_to(source)
    else:
        target = {
            "same": source,
            "folder": tmp_path,
            "no-folder": tmp_path / "no" / "out.csv",
            "file-as-folder": source / "out.csv",
        }[kind]
    before = (tmp_path / "in.csv").read_bytes()
    with pytest.raises(BatchError) as caught:
        label_file(source, target, rules_router)
    assert str(source if kind == "missing" else target) in str(caught.value)
    assert (tmp_path / "in.csv").read_bytes() == before


def test_an_output_behind_a_link_is_replaced_where_it_stands(tmp_path, rules_router):
    source, behind, link = write_tickets(tmp_path / "in.csv"), tmp_path / "behind.csv", tmp_path / "link.csv"
    behind.write_text("before")
    link.symlink_to(behind)
    label_file(source, link, rules_router)
    assert link.is_symlink()
    assert len(read_csv(behind)) == 30


def test_a_full_disk_is_a_clear_error_and_leaves_no_output(tmp_path, rules_router):
    source = write_tickets(tmp_path / "in.csv", 2_000)
    with pytest.raises(BatchError, match="No space left"):
        label_file(source, Path("/dev/full"), rules_router, BatchOptions(jobs=1))
    script = (
        "import resource, sys; from pathlib import Path; from model.errors import BatchError\n"
        "from service.batch import BatchOptions, label_file; from service.live import rules_router\n"
        "from service.settings import Settings\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: label_file(Path(sys.argv[1]), Path(sys.argv[2]), rules_router(Settings()), BatchOptions(jobs=1))\n"
        "except BatchError as error: sys.exit(f'told: {error}')\n"
    )
    target = tmp_path / "out.csv"
    run = subprocess.run([sys.executable, "-c", script, source, target], capture_output=True, text=True, check=False)
    assert run.stderr.startswith("told: ")
    assert "File too large" in run.stderr
    assert not target.exists()
    summary = label_file(source, target, rules_router, BatchOptions(jobs=1, resume=True))
    assert summary.rows == 2_000


def test_two_runs_do_not_write_the_same_file(tmp_path, rules_router):
    source, target = write_tickets(tmp_path / "in.csv"), tmp_path / "out.csv"
    problems = []

    def second(rows, share):
        with pytest.raises(BatchError, match="another run") as caught:
            label_file(source, target, rules_router)
        problems.append(caught)

    label_file(source, target, rules_router, BatchOptions(jobs=1), on_progress=second)
    assert len(problems) == 1
    assert len(read_csv(target)) == 30


def test_a_dead_worker_process_is_replaced(tmp_path, rules_router, monkeypatch):
    marker = tmp_path / "died"

    class Dying(Router):
        def decide_many(self, texts, *, explain=False):
            if "die" in texts and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().decide_many(texts, explain=explain)

    router = Dying(rules_router.matrix, rules_router.rules)
    pool = Processes(router, 2)
    try:
        texts = [["PRI is down"], ["die"], ["IVR down"], ["thanks"], ["reports"]]
        found = list(label_in_order(pool, [Chunk([], chunk, []) for chunk in texts]))
    finally:
        pool.close()
    assert marker.exists()
    assert [chunk.texts for chunk, _ in found] == texts
    assert [labels for _, labels in found] == [label_texts(rules_router, chunk) for chunk in texts]


def test_workers_that_die_again_and_again_are_a_clear_error(rules_router):
    class Deadly(Router):
        def decide_many(self, texts, *, explain=False):
            os.kill(os.getpid(), signal.SIGKILL)

    pool = Processes(Deadly(rules_router.matrix, rules_router.rules), 1)
    try:
        with pytest.raises(BatchError, match="workers were lost"):
            list(label_in_order(pool, [Chunk([], ["x"], [])]))
    finally:
        pool.close()


def test_no_more_chunks_are_read_than_the_window_holds(rules_router):
    read, most = [], 0

    def chunks():
        for n in range(20):
            read.append(n)
            yield Chunk([], [str(n)], [])

    class Slow(backends.InProcess):
        window = 3

    for done, _ in enumerate(label_in_order(Slow(rules_router), chunks())):
        most = max(most, len(read) - done)
    assert most == 3
    assert len(read) == 20


def test_equal_texts_are_labelled_once(rules_router):
    asked = []

    class Asking(Router):
        def decide_many(self, texts, *, explain=False):
            asked.extend(texts)
            return super().decide_many(texts, explain=explain)

    labels = label_texts(Asking(rules_router.matrix, rules_router.rules), ["a", "b", "a"])
    assert asked == ["a", "b"]
    assert labels[0] == labels[2]


def test_comparison_tells_where_the_desk_differs(tmp_path, rules_router):
    source, target = write_tickets(tmp_path / "in.csv"), tmp_path / "out.csv"
    summary = label_file(source, target, rules_router, BatchOptions(compare=("Priority=severity",)))
    confusion = summary.confusions[0]
    expected = {}
    for row in read_csv(target):
        desk = {"Urgent": "P0", "low": "P3", "P1": "P1"}.get(row["Priority"])
        if desk:
            expected[desk, row["severity"]] = expected.get((desk, row["severity"]), 0) + 1
    assert confusion.pairs == expected
    assert confusion.unmapped == {"??": 7}
    assert confusion.agreement == sum(n for (a, b), n in expected.items() if a == b) / sum(expected.values())
    reported = read_csv(tmp_path / "out.csv.compare.csv")
    assert sum(int(line["rows"]) for line in reported) == 30
    assert {line["desk"] for line in reported if not line["router"]} == {"??"}


@pytest.mark.parametrize("request_", ["Priority", "Priority=urgency", "=severity", "Prio=severity"])
def test_a_comparison_that_cannot_be_is_a_clear_error(tmp_path, rules_router, request_):
    with pytest.raises(BatchError):
        label_file(
            write_tickets(tmp_path / "in.csv"), tmp_path / "o.csv", rules_router, BatchOptions(compare=(request_,))
        )


@pytest.mark.parametrize(
    ("value", "label"),
    [("Highest", "P0"), ("Normal", "P2"), ("3 - Medium", "P2"), ("p3", "P3"), ("P1/P2", None), ("", None)],
)
def test_priorities_of_helpdesks_are_severities(matrix, value, label):
    assert map_value(value, known_values("severity", matrix)) == label


def test_preview_labels_the_first_tickets_and_writes_nothing(tmp_path, rules_router):
    source = write_tickets(tmp_path / "in.csv")
    first = preview(source, rules_router, rows=3)
    assert [number for number, _, _ in first.tickets] == [2, 3, 4]
    assert first.tickets[0][2] == label_texts(rules_router, [first.tickets[0][1]])[0]
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_json_without_tickets_stays_json_without_tickets(tmp_path, rules_router):
    (tmp_path / "in.json").write_text("[]")
    assert label_file(tmp_path / "in.json", tmp_path / "out.json", rules_router).rows == 0
    assert json.loads((tmp_path / "out.json").read_text()) == []


def test_standard_input_and_output_are_streams_of_bytes(tmp_path, rules_router, monkeypatch):
    class Stream:
        def __init__(self, data=b""):
            self.buffer = io.BytesIO(data)

    source = write_tickets(tmp_path / "in.csv")
    monkeypatch.setattr(sys, "stdin", Stream(gzip.compress(source.read_bytes())))
    monkeypatch.setattr(sys, "stdout", Stream())
    label_file(None, None, rules_router, BatchOptions(output_format="xlsx"))
    book = load_workbook(io.BytesIO(sys.stdout.buffer.getvalue()))
    assert [cell.value for cell in book.active[2]][:2] == ["00000", TEXTS[0]]
    assert book.active.max_row == 31


def test_a_prefix_is_used_where_a_column_is_taken(tmp_path, rules_router):
    source, first, second = write_tickets(tmp_path / "in.csv"), tmp_path / "1.csv", tmp_path / "2.csv"
    label_file(source, first, rules_router)
    summary = label_file(first, second, rules_router)
    assert summary.added_columns == tuple("router_" + name for name in RowLabels._fields)
    assert all(row["severity"] == row["router_severity"] for row in read_csv(second))


def test_memory_does_not_grow_with_the_file(tmp_path):
    script = (
        "import resource, sys; from pathlib import Path; from service.batch import BatchOptions, label_file\n"
        "from service.live import rules_router; from service.settings import Settings\n"
        "source = Path(sys.argv[1])\n"
        "label_file(source, source.with_name('labelled.csv'), rules_router(Settings()), BatchOptions(jobs=1))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for name, rows in (("small.csv", 2_000), ("large.csv", 60_000)):
        path = tmp_path / name
        path.write_text("id,subject\n" + "".join(f"{n},thanks\n" for n in range(rows)))
        run = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout))
    assert peaks[1] - peaks[0] < 20_000  # KiB; the file itself in memory would take more


@pytest.mark.slow
def test_a_run_that_is_killed_for_real_is_resumed(tmp_path):
    source, target = write_tickets(tmp_path / "in.csv", 40_000), tmp_path / "out.csv"
    command = [Path(sys.executable).with_name("issue-router"), "label", source, "-o", target, "--chunk-rows", "200"]
    environment = {**os.environ, "ISSUE_ROUTER_STATE_DIR": str(tmp_path / "state")}
    process = subprocess.Popen([*command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / "out.csv.progress"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") > 5) and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert not target.exists()
    assert workers
    assert not psutil.wait_procs(workers, timeout=30)[1]
    done = subprocess.run([*command, "--resume"], env=environment, capture_output=True, text=True, check=True)
    assert "were labelled before" in done.stdout
    subprocess.run(
        [*command[:3], "-o", tmp_path / "whole.csv", "--chunk-rows", "200"],
        env=environment,
        check=True,
        capture_output=True,
    )
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()
