"""Labels chunks of texts in this process or in one process per core, in order and in bounded memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from joblib.externals.loky import ProcessPoolExecutor

from model.errors import BatchError
from service.chunks import Chunk
from service.tables.labels import Decider, RowLabels, label_texts

_RETRIES = 3  # how often lost workers are replaced in one run
_WATCH_SECONDS = 1.0
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")}


class WorkersLostError(Exception):
    """Workers died with what they were working at; it can be tried again after `Backend.restart`."""


class Backend(Protocol):
    """Who labels."""

    window: int
    """How many chunks may be under way."""

    def submit(self, texts: list[str]) -> Any:
        """Begin to label texts; return a ticket for `result`."""

    def result(self, pending: Any) -> list[RowLabels]:
        """Wait for what `submit` began."""

    def restart(self) -> None:
        """Replace lost workers."""

    def close(self) -> None:
        """Let the workers go, without what they were not yet at."""


class InProcess:
    """Labels in this process.

    Parameters
    ----------
    router : Decider
    """

    window = 1

    def __init__(self, router: Decider) -> None:
        self._router = router

    def submit(self, texts: list[str]) -> list[str]:
        """Return the texts: they are labelled when the result is asked for."""
        return texts

    def result(self, pending: list[str]) -> list[RowLabels]:
        """Label."""
        return label_texts(self._router, pending)

    def restart(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Processes:
    """Labels in joblib's worker processes; each gets the router once, when it starts.

    `joblib.Parallel` itself reads ahead of a slow consumer without bound, so its process pool is used directly.

    Parameters
    ----------
    router : Decider
    jobs : int
        Number of processes.
    """

    def __init__(self, router: Decider, jobs: int) -> None:
        self.window = 3 * jobs
        self._router = router
        self._jobs = jobs
        self._recent: deque[Future[list[RowLabels]]] = deque(maxlen=self.window)
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=self._jobs, initializer=_receive, initargs=(self._router, os.getpid()), env=_ONE_THREAD
        )

    def submit(self, texts: list[str]) -> Future[list[RowLabels]]:
        """Send texts to a process."""
        try:
            pending: Future[list[RowLabels]] = self._pool.submit(_label, texts)
        except (BrokenProcessPool, RuntimeError) as error:
            raise WorkersLostError(str(error)) from error
        self._recent.append(pending)
        return pending

    def result(self, pending: Future[list[RowLabels]]) -> list[RowLabels]:
        """Wait for the labels."""
        try:
            return pending.result()
        except BrokenProcessPool as error:
            raise WorkersLostError("a worker process died, perhaps for want of memory: try fewer --jobs") from error

    def restart(self) -> None:
        """Start new processes."""
        self._pool.shutdown(wait=True)
        self._pool = self._start()

    def close(self) -> None:
        """End the processes after the chunks that they are at."""
        for pending in self._recent:
            pending.cancel()
        self._pool.shutdown(wait=True)


_received: list[Decider] = []  # in a worker process: the router


def _receive(router: Decider, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the main process ends the others
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _received[:] = [router]


def _end_with(parent: int) -> None:
    """End this worker when the main process was killed and could not say goodbye."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def _label(texts: list[str]) -> list[RowLabels]:
    return label_texts(_received[0], texts)


def label_in_order(backend: Backend, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, list[RowLabels]]]:
    """Label chunks, with never more than `backend.window` of them in memory.

    Yields
    ------
    chunk, labels
        In the order of `chunks`, one label a row.

    Raises
    ------
    BatchError
        When workers are lost again and again.
    """
    waiting: deque[tuple[Chunk, Any]] = deque()
    retries = _RETRIES
    chunks = iter(chunks)
    ended = False
    while waiting or not ended:
        try:
            while not ended and len(waiting) < backend.window:
                chunk = next(chunks, None)
                if chunk is None:
                    ended = True
                    break
                waiting.append((chunk, None))
                waiting[-1] = (chunk, backend.submit(chunk.texts))
            if waiting:
                labels = backend.result(waiting[0][1])
                yield waiting.popleft()[0], labels
        except WorkersLostError as error:
            retries -= 1
            if retries < 0:
                raise BatchError(f"workers were lost {_RETRIES + 1} times: {error}") from error
            backend.restart()
            waiting = _submit_again(backend, waiting)


def _submit_again(backend: Backend, waiting: deque[tuple[Chunk, Any]]) -> deque[tuple[Chunk, Any]]:
    try:
        return deque((chunk, backend.submit(chunk.texts)) for chunk, _ in waiting)
    except WorkersLostError as error:
        raise BatchError(f"new workers were lost at once: {error}") from error
