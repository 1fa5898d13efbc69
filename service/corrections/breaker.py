"""Spares routing from asking a store that is known to be down."""

from __future__ import annotations

import threading
from collections.abc import Callable

from model.errors import StoreError


class Breaker:
    """Remembers that a store is down, and asks it again from a thread of its own until it is back.

    Parameters
    ----------
    probe : callable
        Asks the store; raises `StoreError` while it is down.
    every : float, default 1
        Seconds between two probes.
    """

    def __init__(self, probe: Callable[[], None], every: float = 1.0) -> None:
        self._probe = probe
        self._every = every
        self.after_fork()

    def after_fork(self) -> None:
        """Start anew: the threads stayed in the parent process."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: StoreError | None = None

    def check(self) -> None:
        """Raise what `trip` was told, while the store is down."""
        error = self._error
        if error:
            raise StoreError(str(error)) from error

    def trip(self, error: StoreError) -> None:
        """Refuse everybody from now on, until a probe succeeds."""
        with self._lock:
            probing, self._error = self._error is not None, error
            if not probing and not self._stop.is_set():
                threading.Thread(target=self._run, name="corrections-probe", daemon=True).start()

    def close(self) -> None:
        """Stop probing."""
        self._stop.set()

    def _run(self) -> None:
        stop = self._stop
        while not stop.wait(self._every):
            try:
                self._probe()
            except StoreError as error:
                self._error = error
            else:
                break
        with self._lock:
            self._error = None
