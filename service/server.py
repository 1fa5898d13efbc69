"""The production server: gunicorn with several processes, each with its own application."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from model.errors import DataError
from service.settings import Settings

_SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        options: dict[str, Any] = {
            "bind": f"{settings.host}:{settings.port}",
            "workers": settings.workers,
            "threads": settings.threads,
            "worker_class": "gthread",
            "timeout": 60,
            "graceful_timeout": 20,
            "accesslog": None,  # request lines hold no text, but nobody needs them beside /metrics
            "proc_name": "issue-router",
            "child_exit": _forget_metrics,
            "control_socket_disable": True,  # it would write into the home folder
        }
        for key, value in options.items():
            if key in self.cfg.settings:  # an older gunicorn has no control socket
                self.cfg.set(key, value)

    def load(self) -> Flask:
        from service.app import create_app  # noqa: PLC0415 only in a worker: metrics read their folder at import

        return create_app(self._settings)


def _forget_metrics(_server: object, worker: Any) -> None:
    from prometheus_client import multiprocess  # noqa: PLC0415 see above

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _check_address(settings: Settings) -> None:
    """Say in one line what gunicorn would try five times and say in ten."""
    try:
        with socket.create_server((settings.host, settings.port)):
            pass
    except OSError as error:
        raise DataError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; give another --host or --port, "
            "or set ISSUE_ROUTER_HOST or ISSUE_ROUTER_PORT"
        ) from error


def run(settings: Settings) -> None:
    """Serve until told to stop.

    Raises
    ------
    DataError
        When the state folder cannot be written, or the address cannot be listened on.
    """
    _check_address(settings)
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="metrics-", dir=settings.state_dir))
    except OSError as error:
        raise DataError(f"ISSUE_ROUTER_STATE_DIR: {settings.state_dir} cannot be written: {error.strerror}") from error
    os.environ[_SHARED_METRICS] = str(folder)
    main_process = os.getpid()
    try:
        _Server(settings).run()
    finally:
        if os.getpid() == main_process:  # a worker that ends comes by here too, and others still count in the folder
            shutil.rmtree(folder, ignore_errors=True)
