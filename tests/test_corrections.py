import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, text

from model.decision import Labels
from model.errors import InputError, StoreError, UnknownRoutingError
from model.router import Precedents
from model.text import clean
from service.corrections import CorrectionStore, migrations
from service.corrections.correction import NewCorrection, Snapshot
from service.corrections.labelling import NamedLabels, complete
from service.corrections.schema import REVISION, metadata

DATA = Path(__file__).parent.parent / "data"
MIGRATIONS = Path(migrations.__file__).parent
IVR = Labels("P0", "Ozonetel", "CR desk", "ivr_not_working")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def corrected(words, issue_type="reports", **more):
    return NewCorrection(NamedLabels(issue_type=issue_type), text=words, **more)


def digest(words):
    return clean(words).digest


def ready_engine(url):
    return create_engine(make_url(url.replace("postgresql://", "postgresql+psycopg://")))


# --- Recording and finding ---


def test_a_correction_wins_at_once_and_case_and_space_do_not_matter(store, matrix):
    kept = store.record(corrected("Report is  empty", who="Asha", note="saw it"), matrix)
    assert store.find([digest("report IS empty"), digest("another")]) == {
        kept.digest: Labels("P3", "Ozonetel", "General", "reports")
    }
    assert store.history(kept.digest) == [kept]
    assert (kept.who, kept.note, kept.created_at.utcoffset()) == ("Asha", "saw it", timedelta(0))


def test_the_latest_word_wins_and_the_history_stays(store, matrix):
    first = store.record(corrected("agents stuck"), matrix)
    second = store.record(corrected("agents stuck", "agent_portal_down"), matrix)
    assert store.find([first.digest])[first.digest].issue_type == "agent_portal_down"
    assert store.history(first.digest) == [first, second]
    assert store.latest(1) == [second]
    assert store.count() == 2


def test_the_latest_word_wins_although_another_hosts_clock_is_ahead(corrections_url, matrix):
    with CorrectionStore(corrections_url, clock=lambda: NOON + timedelta(minutes=5)) as ahead:
        ahead.record(corrected("agents stuck"), matrix)
    with CorrectionStore(corrections_url, clock=lambda: NOON) as store:
        store.record(corrected("agents stuck", "pri_down"), matrix)
        store.record(corrected("agents stuck", "agent_portal_down"), matrix)
        assert store.find([digest("agents stuck")])[digest("agents stuck")].issue_type == "agent_portal_down"


def test_text_and_note_are_redacted_before_they_are_written(corrections_url, matrix):
    raw = "mail asha@example.com, password: Tiger#1, no \0 nul \ud800 report"
    with CorrectionStore(corrections_url) as store:
        kept = store.record(corrected(raw, note="ask ravi@example.com"), matrix)
        assert kept.text == "mail <email>, password: <key>, no  nul ? report"
        assert kept.note == "ask <email>"
        assert store.find([digest(raw)])  # recognised by the original text
        store.remember("r1", digest(raw), raw, IVR, None)
    engine = ready_engine(corrections_url)
    with engine.connect() as connection:
        for table in ("corrections", "routings"):
            rows = repr(connection.execute(text(f"SELECT * FROM {table}")).all())
            assert "<email>" in rows
            assert "asha@" not in rows
            assert "Tiger" not in rows
    engine.dispose()


def test_many_digests_are_found_at_once(store, matrix):
    kept = store.record(corrected("agents stuck"), matrix)
    assert set(store.find([f"{n:064x}" for n in range(2_000)] + [kept.digest])) == {kept.digest}
    assert store.find([]) == {}


@pytest.mark.parametrize(
    ("correction", "field"),
    [
        (NewCorrection(NamedLabels(issue_type="reports")), "text"),
        (NewCorrection(NamedLabels(issue_type="reports"), text="a b", routing_id="r"), "text"),
        (corrected(" \n "), "text"),
        (corrected("a b", who="x" * 101), "who"),
        (corrected("a b", note="x" * 2001), "note"),
        (corrected("a b", "no_such"), "issue_type"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_field(store, matrix, correction, field):
    with pytest.raises(InputError) as refused:
        store.record(correction, matrix)
    assert refused.value.field == field
    assert store.count() == 0


# --- Completing labels ---


@pytest.mark.parametrize(
    ("named", "before", "expected"),
    [
        (NamedLabels(issue_type="pri_down"), None, Labels("P2", "Telco", "General", "pri_down")),
        (NamedLabels("P3", issue_type="reports"), None, Labels("P3", "Ozonetel", "General", "reports")),
        (NamedLabels("P1", "Telco", "General"), None, Labels("P1", "Telco", "General", "other")),
        (NamedLabels("P1"), IVR, replace(IVR, severity="P1")),
        (NamedLabels(queue="General"), IVR, Labels("P0", "Ozonetel", "General", "other")),
        (NamedLabels(owner="Telco"), IVR, Labels("P0", "Telco", "General", "other")),
        (NamedLabels(issue_type="reports"), IVR, Labels("P3", "Ozonetel", "General", "reports")),
        (NamedLabels(issue_type="other"), IVR, Labels("P0", "Ozonetel", "CR desk", "other")),
        (NamedLabels(), IVR, IVR),
    ],
)
def test_labels_are_completed(matrix, named, before, expected):
    labels, issue_type_known = complete(named, matrix, before)
    assert labels == expected
    assert issue_type_known == bool(named.issue_type or labels.issue_type == (before and before.issue_type))


@pytest.mark.parametrize(
    ("named", "before", "field"),
    [
        (NamedLabels("P9", issue_type="reports"), None, "severity"),
        (NamedLabels("P1", "Nobody", "General"), None, "owner"),
        (NamedLabels("P1", "Ozonetel", "Sales"), None, "queue"),
        (NamedLabels("P1", "Telco", "CR desk"), None, "queue"),
        (NamedLabels("P1", "Telco", "CR desk"), IVR, "queue"),
        (NamedLabels(owner="Telco", issue_type="reports"), None, "owner"),
        (NamedLabels(owner="Telco", queue="General"), None, "severity"),
        (NamedLabels("P1"), None, "owner"),
        (NamedLabels("P1"), Labels("S1", "Acme", "Desk", "of another matrix"), "owner"),
    ],
)
def test_impossible_or_missing_labels_are_refused(matrix, named, before, field):
    with pytest.raises(InputError) as refused:
        complete(named, matrix, before)
    assert refused.value.field == field


# --- By routing id ---


def test_a_routing_is_corrected_by_its_id_before_and_after_it_is_written(corrections_url, matrix):
    with CorrectionStore(corrections_url) as store:
        store.remember("r1", digest("ivr dead"), "ivr dead", IVR, "v1")
        kept = store.record(NewCorrection(NamedLabels("P1"), routing_id="r1"), matrix)
        assert (kept.labels, kept.wrong, kept.model_version) == (replace(IVR, severity="P1"), IVR, "v1")
    with CorrectionStore(corrections_url) as another:
        kept = another.record(NewCorrection(NamedLabels("P2"), routing_id="r1"), matrix)
        assert (kept.text, kept.digest, kept.routing_id) == ("ivr dead", digest("ivr dead"), "r1")
        assert len(another.history(digest("ivr dead"))) == 2


def test_a_correction_waits_for_the_writer_of_another_process(corrections_url, matrix):
    with CorrectionStore(corrections_url) as here, CorrectionStore(corrections_url) as there:
        here.ping()
        there.remember("r1", digest("ivr dead"), "ivr dead", IVR, None)
        assert here.record(NewCorrection(NamedLabels("P1"), routing_id="r1"), matrix).text == "ivr dead"


def test_an_unknown_routing_is_said_to_be_unknown(store, matrix):
    start = time.monotonic()
    with pytest.raises(UnknownRoutingError, match="'nowhere'"):
        store.record(NewCorrection(NamedLabels("P1"), routing_id="nowhere"), matrix)
    assert 1.5 < time.monotonic() - start < 4


def test_old_routings_are_forgotten_and_corrections_are_not(corrections_url, matrix):
    with CorrectionStore(corrections_url, clock=lambda: NOON) as store:
        store.remember("old", digest("ivr dead"), "ivr dead", IVR, None)
        store.record(corrected("agents stuck"), matrix)
    with CorrectionStore(corrections_url, clock=lambda: NOON + timedelta(days=31)) as store:
        store.remember("new", digest("ivr dead"), "ivr dead", IVR, None)
    with CorrectionStore(corrections_url) as store:
        store.record(NewCorrection(NamedLabels("P1"), routing_id="new"), matrix)
        with pytest.raises(UnknownRoutingError):
            store.record(NewCorrection(NamedLabels("P1"), routing_id="old"), matrix)
        assert store.history(digest("agents stuck"))


def test_remembering_never_waits_and_keeps_the_newest(tmp_path, matrix):
    (tmp_path / "file").write_text("")
    with CorrectionStore(f"sqlite:///{tmp_path}/file/below-a-file.sqlite3") as store:
        start = time.perf_counter()
        for n in range(6_000):
            store.remember(f"r{n}", "d", "ivr dead", IVR, None)
        assert time.perf_counter() - start < 2
        with pytest.raises(StoreError):
            store.record(NewCorrection(NamedLabels("P1"), routing_id="r5999"), matrix)
        with pytest.raises(StoreError) as refused:
            store.record(NewCorrection(NamedLabels("P1"), routing_id="r0"), matrix)
        assert not isinstance(refused.value, UnknownRoutingError)  # it may be in the database


def test_a_burst_of_routings_is_remembered_whole(corrections_url, matrix):
    with CorrectionStore(corrections_url) as store:
        for n in range(1_000):
            store.remember(f"r{n}", digest("ivr dead"), "ivr dead", IVR, None)
    with CorrectionStore(corrections_url) as store:
        for n in (0, 500, 999):
            store.record(NewCorrection(NamedLabels("P1"), routing_id=f"r{n}"), matrix)


# --- Snapshots and examples ---


def test_a_snapshot_finds_the_same_in_another_process(store, matrix):
    kept = store.record(corrected("agents stuck"), matrix)
    snapshot = pickle.loads(pickle.dumps(store.snapshot()))
    store.record(corrected("agents stuck", "pri_down"), matrix)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.find([kept.digest, "none"]) == {kept.digest: kept.labels}
    assert len(snapshot) == 1


def test_examples_hold_the_latest_word_about_each_text(store, matrix):
    store.record(corrected("agents stuck"), matrix)
    store.record(NewCorrection(NamedLabels("P1", "Telco", "General"), text="call <b>+91 98765 43210</b>"), matrix)
    store.record(corrected("agents stuck", "agent_portal_down"), matrix)
    frame = store.examples()
    assert list(frame.columns) == [
        *("text", "issue_type", "severity", "owner", "queue", "language", "group", "created_at")
    ]
    assert frame.drop(columns="created_at").to_numpy().tolist() == [
        ["call <b>longnumber</b>", "", "P1", "Telco", "General", "", "corrections"],
        ["agents stuck", "agent_portal_down", "P0", "Ozonetel", "General", "", "corrections"],
    ]
    assert frame["created_at"].is_monotonic_increasing


def test_an_empty_store_has_no_examples_but_their_columns(store):
    assert len(store.examples()) == 0
    assert "text" in store.examples().columns
    assert len(store.snapshot()) == 0


# --- Files ---


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl"])
def test_the_whole_history_comes_back_from_a_file(store, matrix, tmp_path, name):
    awkward = 'a, "b"\r\nc\rd\n\n=1+1 \u2028 ünï – हिन्दी 😀 ' + "x" * 15_000
    store.record(corrected(awkward, note=" two\nlines "), matrix)
    store.record(corrected(awkward, "pri_down", who="Asha", wrong=IVR, model_version="v1"), matrix)
    store.record(NewCorrection(NamedLabels("P1", "Telco", "General"), text="null"), matrix)
    assert store.export(tmp_path / name) == 3
    with CorrectionStore(f"sqlite:///{tmp_path}/copy.sqlite3") as copy:
        assert copy.import_(tmp_path / name, matrix) == 3
        assert copy.import_(tmp_path / name, matrix) == 0
        assert copy.latest(10) == store.latest(10)
        assert copy.export(tmp_path / f"again-{name}") == 3
    assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / name).read_bytes()
    assert store.import_(tmp_path / name, matrix) == 0
    assert len(list(tmp_path.glob(".*"))) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.replace('"P3"', '"P9"'), "line 2, severity: 'P9' is not one of P0, P1, P2, P3"),
        (lambda line: line.replace('"queue"', '"desk"'), "line 2, queue: Field required"),
        (lambda line: line.replace("+00:00", ""), "line 2, created_at: "),
        (lambda line: line[:-5], "line 2: no JSON: "),
        (lambda line: "[]\n", "line 2, line: "),
        (lambda line: "\xff", "not UTF-8"),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_its_file_is_taken(store, matrix, tmp_path, change, message):
    store.record(corrected("agents stuck"), matrix)
    store.record(corrected("agents stuck again"), matrix)
    store.export(tmp_path / "c.jsonl")
    first, second = (tmp_path / "c.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "c.jsonl").write_bytes((first + change(second)).encode("latin-1"))
    with CorrectionStore(f"sqlite:///{tmp_path}/copy.sqlite3") as copy:
        with pytest.raises(InputError, match=r"c\.jsonl, line 2|c\.jsonl is not") as refused:
            copy.import_(tmp_path / "c.jsonl", matrix)
        assert message in str(refused.value)
        assert copy.count() == 0


@pytest.mark.parametrize("name", ["c.xlsx", "missing/c.csv"])
def test_a_file_that_cannot_be_written_is_an_error_with_its_name(store, tmp_path, name):
    with pytest.raises(InputError, match=name):
        store.export(tmp_path / name)


# --- Migrations ---


def test_an_upgrade_from_the_first_revision_loses_nothing(corrections_url, matrix):
    engine = ready_engine(corrections_url)
    if engine.dialect.name == "sqlite":
        Path(engine.url.database).parent.mkdir()
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0001")
        assert inspect(connection).get_table_names() == ["alembic_version", "corrections"]
        connection.execute(
            text(
                "INSERT INTO corrections (id, digest, text, severity, owner, queue, issue_type, issue_type_known, "
                "who, created_at) VALUES ('1', :digest, 'agents stuck', 'P1', 'Telco', 'General', 'other', "
                ":known, 'Asha', :at)"
            ),
            {"digest": digest("agents stuck"), "known": True, "at": "2026-01-02 03:04:05.678901"},
        )
    with CorrectionStore(corrections_url) as store:
        (kept,) = store.history(digest("agents stuck"))
        assert (kept.who, kept.labels) == ("Asha", Labels("P1", "Telco", "General", "other"))
        assert kept.created_at.replace(tzinfo=None) == datetime(2026, 1, 2, 3, 4, 5, 678901)
        store.record(corrected("agents stuck"), matrix)
        assert store.count() == 2
        assert ScriptDirectory(MIGRATIONS).get_current_head() == REVISION
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_database_newer_than_the_code_is_refused(corrections_url, matrix):
    with CorrectionStore(corrections_url) as store:
        store.record(corrected("agents stuck"), matrix)
    engine = ready_engine(corrections_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with CorrectionStore(corrections_url) as store:
        for use in (store.ping, store.count, lambda: store.find(["d"])):
            with pytest.raises(StoreError, match=r"newer.*9999"):
                use()


# --- Processes ---


WRITER = """
import sys
from itertools import count, islice
from pathlib import Path
from model.decision import Labels
from model.matrix import load_matrix
from service.corrections import CorrectionStore
from service.corrections.correction import NewCorrection
from service.corrections.labelling import NamedLabels

url, matrix, name, amount = sys.argv[1], load_matrix(Path(sys.argv[2])), sys.argv[3], int(sys.argv[4])
with CorrectionStore(url) as store:
    for n in islice(count(), amount or None):
        store.remember(f"{name}-{n}", "d", "no report", Labels("P3", "Ozonetel", "General", "reports"), None)
        said = NewCorrection(NamedLabels(issue_type="reports"), text=f"no report {name}", who=f"{name}-{n}")
        print(store.record(said, matrix).id, flush=True)
"""


def start_writer(url, name, amount):
    arguments = [url, str(DATA / "matrix.toml"), name, str(amount)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True, cwd=DATA.parent
    )


@pytest.mark.slow
def test_eight_processes_that_start_and_write_at_once_lose_nothing(corrections_url):
    names = [letter * 3 for letter in "abcdefgh"]
    writers = [start_writer(corrections_url, name, 25) for name in names]
    ids = [line.strip() for writer in writers for line in writer.communicate(timeout=60)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0] * 8
    with CorrectionStore(corrections_url) as store:
        kept = store.latest(1_000)
        assert {c.who for c in kept} == {f"{name}-{n}" for name in names for n in range(25)}
        assert sorted(c.id for c in kept) == sorted(ids)
        assert len(store.find([digest(f"no report {name}") for name in names])) == 8
    engine = ready_engine(corrections_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM routings")) == 200
    engine.dispose()


@pytest.mark.slow
def test_what_was_accepted_survives_kill_9(corrections_url):
    with start_writer(corrections_url, "a", 0) as writer:
        accepted = [writer.stdout.readline().strip() for _ in range(20)]
        writer.kill()
        accepted += [line.strip() for line in writer.stdout if line.endswith("\n")]
    with CorrectionStore(corrections_url) as store:
        assert all(accepted)
        assert set(accepted) <= {c.id for c in store.latest(100_000)}


def test_a_store_used_before_a_fork_works_in_parent_and_child(store, matrix):
    store.record(corrected("agents stuck"), matrix)
    store.remember("r1", digest("ivr dead"), "ivr dead", IVR, None)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.record(corrected("agents stuck again"), matrix)
            status = 0 if store.count() == 2 else 2
            store.close()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert store.count() == 2


# --- A store that is down ---


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "nonsense", ""])
def test_a_url_of_no_known_database_is_refused(url):
    with pytest.raises(StoreError, match="URL"):
        CorrectionStore(url)


def test_the_password_of_the_database_is_in_no_error():
    with CorrectionStore("postgresql://asha:Tiger1@127.0.0.1:1/x") as store, pytest.raises(StoreError) as refused:
        store.count()
    assert "Tiger1" not in str(refused.value)


def test_a_closed_port_refuses_corrections_and_lets_routing_go_on(matrix):
    with CorrectionStore("postgresql://postgres@127.0.0.1:1/test") as store:
        store.remember("r1", digest("ivr dead"), "ivr dead", IVR, None)
        with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
            store.find(["d"])
        start = time.perf_counter()
        for _ in range(100):
            with pytest.raises(StoreError):
                store.find(["d"])
        assert time.perf_counter() - start < 0.5
        with pytest.raises(StoreError):
            store.ping()
        with pytest.raises(StoreError):
            store.record(corrected("agents stuck"), matrix)


@pytest.mark.parametrize("content", [b"this is no database, it is a text" * 100, None])
def test_a_file_that_is_no_database_is_a_store_error(tmp_path, matrix, content):
    path = tmp_path / "c.sqlite3"
    path.write_bytes(content) if content else path.mkdir()
    with CorrectionStore(f"sqlite:///{path}") as store:
        with pytest.raises(StoreError, match=r"c\.sqlite3"):
            store.record(corrected("agents stuck"), matrix)
        with pytest.raises(StoreError):
            store.ping()


def test_a_file_that_was_removed_is_made_again(sqlite_url, matrix):
    path = Path(make_url(sqlite_url).database)
    with CorrectionStore(sqlite_url) as store:
        store.record(corrected("agents stuck"), matrix)
        for file in path.parent.glob("*.sqlite3*"):
            file.unlink()
        store.record(corrected("agents stuck again"), matrix)
    with CorrectionStore(sqlite_url) as store:
        assert [c.text for c in store.latest(9)] == ["agents stuck again"]


def test_reading_goes_on_while_another_process_writes_to_the_file(sqlite_url, matrix):
    with CorrectionStore(sqlite_url) as store:
        kept = store.record(corrected("agents stuck"), matrix)
        with sqlite3.connect(make_url(sqlite_url).database, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            start = time.perf_counter()
            assert store.find([kept.digest])
            assert time.perf_counter() - start < 0.5
            other.execute("ROLLBACK")
        other.close()


def until(seconds, works):
    end = time.monotonic() + seconds
    while True:
        try:
            return works()
        except StoreError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@pytest.mark.postgres
def test_a_cut_connection_loses_nothing_that_was_accepted(proxied, postgres_url, matrix):
    proxy, url = proxied
    accepted, refused, ended = [], [], threading.Event()

    def write(store):
        while not ended.is_set():
            try:
                accepted.append(store.record(corrected("agents stuck"), matrix).id)
            except StoreError as error:
                refused.append(error)

    with CorrectionStore(url) as store:
        store.ping()
        writers = [threading.Thread(target=write, args=[store]) for _ in range(3)]
        for writer in writers:
            writer.start()
        for _ in range(5):
            time.sleep(0.15)
            proxy.state = "cut"
            time.sleep(0.05)
            proxy.state = "open"
        time.sleep(0.15)
        ended.set()
        for writer in writers:
            writer.join()
    assert accepted
    assert refused
    with CorrectionStore(postgres_url) as store:
        assert set(accepted) <= {c.id for c in store.latest(100_000)}


@pytest.mark.postgres
def test_a_hanging_database_delays_one_routing_and_is_found_again(proxied, matrix):
    proxy, url = proxied
    with CorrectionStore(url) as store:
        kept = store.record(corrected("agents stuck"), matrix)
        proxy.state = "hang"
        start = time.monotonic()
        with pytest.raises(StoreError):
            store.find([kept.digest])
        assert time.monotonic() - start < 4
        start = time.monotonic()
        for _ in range(100):
            with pytest.raises(StoreError):
                store.find([kept.digest])
        assert time.monotonic() - start < 0.5
        proxy.state = "open"
        assert until(6, lambda: store.find([kept.digest])) == {kept.digest: kept.labels}
        store.ping()


@pytest.mark.postgres
def test_routings_wait_for_a_database_that_comes_back(proxied, postgres_url, matrix):
    proxy, url = proxied
    with CorrectionStore(url) as store:
        store.ping()
        proxy.state = "cut"
        store.remember("r1", digest("ivr dead"), "ivr dead", IVR, None)
        time.sleep(0.5)
        proxy.state = "open"
        with CorrectionStore(postgres_url) as another:
            find = NewCorrection(NamedLabels("P1"), routing_id="r1")
            assert until(6, lambda: another.record(find, matrix)).text == "ivr dead"


def test_the_store_and_its_snapshot_are_precedents(store):
    precedents: list[Precedents] = [store, store.snapshot()]
    assert [p.find(["d"]) for p in precedents] == [{}, {}]
