"""Labels chunks of texts on an existing Dask cluster. Needs the extra `cluster`."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

from model.errors import BatchError
from service.backends import WorkersLostError
from service.tables.labels import Decider, RowLabels, label_texts

_POLL_SECONDS = 2.0


class DaskCluster:
    """Labels on the workers of a Dask scheduler; each worker gets the router once.

    Parameters
    ----------
    scheduler : str
        Address, such as `tcp://10.0.0.5:8786`.
    router : Decider
        The workers must have this package installed.
    patience : float, default 30
        Seconds to wait for the scheduler, and for a worker where there is none.

    Raises
    ------
    BatchError
        When Dask is not installed, the scheduler cannot be reached, or it has no worker.
    """

    def __init__(self, scheduler: str, router: Decider, patience: float = 30.0) -> None:
        try:  # an optional dependency, and slow to import
            self._dask = import_module("distributed")
        except ImportError as error:
            raise BatchError('--backend dask needs Dask: pip install "issue-router[cluster]"') from error
        self._scheduler = scheduler
        self._patience = patience
        self._source = router
        try:
            self._client = self._dask.Client(scheduler, timeout=patience, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise BatchError(f"{scheduler}: the Dask scheduler cannot be reached: {error}") from error
        try:
            self._send_router()
        except BaseException:
            self._client.close()
            raise

    def _send_router(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
            # By copy to every worker: the loss of one loses nothing.
            self._router = self._client.scatter(self._source, broadcast=True, hash=False, timeout=self._patience)
        except (OSError, TimeoutError) as error:
            raise BatchError(f"{self._scheduler}: no worker within {self._patience:g} seconds: {error}") from error
        self.window = max(4, 2 * sum(self._client.nthreads().values()))

    def submit(self, texts: list[str]) -> Any:
        """Send texts to a worker."""
        return self._client.submit(label_texts, self._router, texts, pure=False, retries=3)

    def result(self, pending: Any) -> list[RowLabels]:
        """Wait for the labels as long as there are workers."""
        alone_since: float | None = None
        while True:
            try:
                labels: list[RowLabels] = pending.result(timeout=_POLL_SECONDS)
                return labels
            except (self._dask.KilledWorker, self._dask.CancelledError) as error:
                raise WorkersLostError(f"the cluster lost a chunk: {error}") from error
            except ModuleNotFoundError as error:
                raise BatchError(f"{self._scheduler}: the workers lack this package: {error}") from error
            except TimeoutError:
                alone_since = None if self._workers() else alone_since or time.monotonic()
                if alone_since and time.monotonic() - alone_since > self._patience:
                    raise BatchError(
                        f"{self._scheduler}: no worker is left and none came within {self._patience:g} seconds"
                    ) from None

    def _workers(self) -> int:
        try:
            return len(self._client.nthreads())
        except (OSError, TimeoutError):
            return 0

    def restart(self) -> None:
        """Send the router again, to the workers that there are now."""
        self._send_router()

    def close(self) -> None:
        """Leave the cluster; what is under way is cancelled."""
        self._client.close()
