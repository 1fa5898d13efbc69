"""Fixtures that several test modules share."""

import contextlib
import itertools
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import make_url

from model.evaluation import evaluate
from model.examples import check_examples, read_examples
from model.matrix import load_matrix
from model.outcomes import decided_of, out_of_group_frame, truth_of
from model.registry import Registry
from model.router import Router
from model.rules import load_rules
from model.training import train
from service.app import create_app
from service.corrections import CorrectionStore
from service.settings import Settings

DATA = Path(__file__).parent.parent / "data"

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def matrix():
    return load_matrix(DATA / "matrix.toml")


# --- Databases of corrections ---


@pytest.fixture
def postgres_url():
    """URL of an empty schema of its own in a real PostgreSQL."""
    server = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")
    schema = f"test_{uuid.uuid4().hex}"
    try:
        connection = psycopg.connect(server, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL answers (set TEST_POSTGRES_URL): {str(error).splitlines()[0]}")
    with contextlib.closing(connection):
        connection.execute(f"CREATE SCHEMA {schema}")
        try:
            yield f"{server}?options=-csearch_path%3D{schema}"
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'state' / 'corrections.sqlite3'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def corrections_url(request):
    """URL of an empty database, of either kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def store(corrections_url):
    with CorrectionStore(corrections_url) as store:
        yield store


class Proxy:
    """Passes connections on to a server, until it is told to cut or to hang."""

    def __init__(self, server):
        self.server = server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.state = "open"
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        peers = {}
        while not self.ended.is_set():
            if self.state == "cut":
                for peer in peers:
                    peer.close()
                peers = {}
            ready = select.select([self.listener, *peers], [], [], 0.01)[0] if self.state != "hang" else []
            if self.state == "hang":
                self.ended.wait(0.01)
            for peer in ready:
                if peer is self.listener:
                    client = peer.accept()[0]
                    if self.state == "cut":
                        client.close()
                        continue
                    server = socket.create_connection(self.server)
                    peers |= {client: server, server: client}
                elif peer in peers:
                    self.forward(peer, peers)
        for peer in [*peers, self.listener]:
            peer.close()

    def forward(self, peer, peers):
        data = b""
        with contextlib.suppress(OSError):
            data = peer.recv(65536)
        with contextlib.suppress(OSError):
            peers[peer].sendall(data)
        if not data:
            other = peers.pop(peer)
            peers.pop(other, None)
            peer.close()
            other.close()

    def close(self):
        self.ended.set()
        self.thread.join()


@pytest.fixture
def proxied(postgres_url):
    """A proxy before a real PostgreSQL, and the URL through it."""
    url = make_url(postgres_url)
    proxy = Proxy((url.host, url.port or 5432))
    try:
        yield proxy, url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    finally:
        proxy.close()


# --- Tiny models, trained on real examples ---

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="session")
def rules(matrix):
    return load_rules(DATA / "rules.toml", matrix)


@pytest.fixture(scope="session")
def examples(matrix):
    return read_examples(DATA / "issues.csv", matrix)


@pytest.fixture(scope="session")
def tiny_examples(matrix, examples):
    """About 150 real examples of every issue type by several authors, and the documented sentences thrice."""
    few = (
        examples[examples["language"] == "en"]
        .groupby(["issue_type", "severity"])
        .sample(3, random_state=1, replace=True)
    )
    sentences = pd.DataFrame(
        [
            {"text": t.description, "issue_type": t.id, "severity": t.severity, "owner": t.owner, "queue": t.queue}
            for t in matrix.issue_types
        ]
    )
    sentences = pd.concat([sentences.assign(group=f"matrix{n}", text=sentences["text"] + "!" * n) for n in range(3)])
    return check_examples(pd.concat([few.drop(columns="impact"), sentences], ignore_index=True), matrix)


@pytest.fixture(scope="session")
def tiny(tiny_examples, matrix, rules):
    """A model trained on `tiny_examples`, with its out-of-group decisions."""
    return train(tiny_examples, matrix, rules, jobs=1)


# --- Files of tickets ---


@pytest.fixture(scope="session")
def rules_router(matrix, rules):
    """A router without a model."""
    return Router(matrix, rules)


@pytest.fixture(scope="session")
def tiny_router(tiny, matrix, rules):
    """A router over the tiny model."""
    return Router(matrix, rules, tiny.model.named("tiny"))


# --- Registries ---


@pytest.fixture(scope="session")
def tiny_kept(tiny_examples, tiny):
    """What the tiny model says of authors whom it had not read."""
    return out_of_group_frame(tiny_examples, tiny.decisions)


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "models")


@pytest.fixture
def save(registry, tiny, tiny_kept):
    """Saves the tiny model, or another, as a version of the registry; each is a minute newer than the one before."""
    minutes = itertools.count()

    def save(kept=tiny_kept, model=tiny.model):
        created_at = NOW + timedelta(minutes=next(minutes))
        return registry.save(model, created_at=created_at, data={}, metrics={}, out_of_group=kept)

    return save


# --- Running services ---


@pytest.fixture(scope="session")
def trained_state(tmp_path_factory, tiny, tiny_kept, matrix):
    """A state folder whose champion is the tiny model; copy it before changing it."""
    folder = tmp_path_factory.mktemp("state")
    registry = Registry(folder / "models")
    metrics = evaluate(truth_of(tiny_kept), decided_of(tiny_kept), matrix)
    version = registry.save(tiny.model, created_at=NOW, data={}, metrics=metrics, out_of_group=tiny_kept)
    registry.promote(version, promoted_at=NOW)
    return folder


@pytest.fixture
def state(trained_state, tmp_path):
    """A copy of the trained state folder, to be changed."""
    return Path(shutil.copytree(trained_state, tmp_path / "state"))


@pytest.fixture
def open_app():
    """Opens applications, and closes them after the test."""
    opened = []

    def open_app(settings, router=None):
        app = create_app(settings, router)
        opened.append(app.extensions["issue-router"])
        return app

    yield open_app
    for context in opened:
        context.live.close()
        context.store.close()


@pytest.fixture
def client(open_app, tiny_router, tmp_path):
    """A client of an application over the tiny model."""
    return open_app(Settings(state_dir=tmp_path), tiny_router).test_client()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def serving(state_dir, *, workers=1, seconds=60):
    """A real server process over a state folder; yields it and its address."""
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "issue-router"),
        "serve",
        "--port",
        str(port),
        "--workers",
        str(workers),
    ]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ISSUE_ROUTER_")}
    environ |= {"ISSUE_ROUTER_STATE_DIR": str(state_dir), "ISSUE_ROUTER_RELOAD_SECONDS": "0.1"}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(seconds * 10):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/livez", timeout=5):
                break
            assert process.poll() is None, f"the server ended with {process.returncode}"
            time.sleep(0.1)
        yield process, url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def server(trained_state, tmp_path_factory):
    """Address of a real server over the tiny model; its corrections may change what it says of a text."""
    folder = tmp_path_factory.mktemp("served") / "state"
    shutil.copytree(trained_state, folder)
    with serving(folder) as (_, url):
        yield url
