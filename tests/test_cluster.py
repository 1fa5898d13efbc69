import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from model.errors import BatchError
from service.backends import label_in_order
from service.batch import BatchOptions, label_file
from service.chunks import Chunk
from service.cluster import DaskCluster

pytest.importorskip("distributed")
from distributed import Client

# Dask leaves sockets and loops to the garbage collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(*arguments):
    command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start_worker(address):
    return start("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")


def end(process):
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
    process.wait()


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A scheduler and two worker processes on loopback: the address and the workers."""
    monkeypatch.chdir(tmp_path)
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    workers = [start_worker(address) for _ in range(2)]
    try:
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            end(process)


def write_tickets(path, rows):
    path.write_text("id,subject\n" + "".join(f"{n:06},PRI is down at site {n}\n" for n in range(rows)))
    return path


def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(tmp_path, tiny_router, cluster):
    address, workers = cluster
    source, target = write_tickets(tmp_path / "in.csv", 6_000), tmp_path / "dask.csv"
    killed = []

    def on_progress(rows, share):
        if rows >= 1_000 and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(rows)

    options = BatchOptions(backend="dask", scheduler=address, chunk_rows=100)
    summary = label_file(source, target, tiny_router, options, on_progress=on_progress)
    assert killed
    assert killed[0] < summary.rows == 6_000
    assert workers[0].wait(10) == -signal.SIGKILL
    label_file(source, tmp_path / "one.csv", tiny_router, BatchOptions(jobs=1, chunk_rows=100))
    assert target.read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_when_all_workers_are_lost_the_run_goes_on_with_new_ones(tmp_path, rules_router, cluster):
    address, workers = cluster
    labeller = DaskCluster(address, rules_router)
    try:
        chunks = (Chunk([], [f"PRI is down {n}"], []) for n in range(40))
        found = label_in_order(labeller, chunks)
        seen = [next(found)]
        for worker in workers:
            worker.kill()
        workers.append(start_worker(address))
        seen += found
        assert [chunk.texts for chunk, _ in seen] == [[f"PRI is down {n}"] for n in range(40)]
    finally:
        labeller.close()


def test_when_no_worker_is_left_it_is_a_clear_error(rules_router, cluster):
    address, workers = cluster
    labeller = DaskCluster(address, rules_router, patience=3)
    try:
        found = label_in_order(labeller, (Chunk([], [f"PRI {n}"], []) for n in range(40)))
        next(found)
        for worker in workers:
            worker.kill()
        with pytest.raises(BatchError, match="no worker"):
            list(found)
    finally:
        labeller.close()


def test_a_scheduler_that_does_not_answer_is_a_clear_error(rules_router):
    started = time.monotonic()
    with pytest.raises(BatchError, match="cannot be reached"):
        DaskCluster(f"tcp://127.0.0.1:{free_port()}", rules_router, patience=2)
    assert time.monotonic() - started < 20


def test_an_address_that_is_none_is_a_clear_error(rules_router):
    with pytest.raises(BatchError, match="cannot be reached"):
        DaskCluster("nonsense://", rules_router, patience=2)


def test_without_dask_the_error_says_what_to_install(tmp_path, rules_router, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BatchError, match=r"issue-router\[cluster\]"):
        DaskCluster("tcp://127.0.0.1:1", rules_router)


def test_nothing_is_left_when_the_cluster_cannot_be_reached(tmp_path, rules_router):
    source = write_tickets(tmp_path / "in.csv", 10)
    with pytest.raises(BatchError):
        label_file(
            source,
            tmp_path / "out.csv",
            rules_router,
            BatchOptions(backend="dask", scheduler=f"tcp://127.0.0.1:{free_port()}"),
        )
    assert os.listdir(tmp_path) == ["in.csv"]  # noqa: PTH208
