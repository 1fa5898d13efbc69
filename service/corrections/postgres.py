"""Connections to PostgreSQL that give up on a server which takes a statement and never answers.

The time-outs of the server do not help against a server that hangs, and the client library waits for ever.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

CONNECT_SECONDS = 2  # the least that the client library takes

Result = TypeVar("Result")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose every exchange with the server ends within `patience` seconds, or breaks the connection."""

    patience = 1.0

    def wait(self, gen: Generator[Any, Any, Result], *args: Any, **kwargs: Any) -> Result:
        """Wait for the server to complete one exchange; called by psycopg for each."""
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: Generator[Any, Any, Result]) -> Generator[Any, Any, Result]:
        end = time.monotonic() + self.patience
        try:
            wanted = next(gen)
            while True:  # psycopg sends "nothing is ready" every tenth of a second
                ready = yield wanted
                if not ready and time.monotonic() > end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.patience:g} s")
                wanted = gen.send(ready)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def connect(*args: Any, **kwargs: Any) -> BoundedConnection:
    """Connect with bounds; arguments as of `psycopg.connect`."""
    bounds = {"connect_timeout": CONNECT_SECONDS, "application_name": "issue-router"}
    return BoundedConnection.connect(*args, **{**bounds, **kwargs})
