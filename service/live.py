"""The router of a running process: opened once, and exchanged when another version becomes champion."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from model.errors import ModelError, RegistryError
from model.matrix import Matrix, load_matrix
from model.registry import Registry
from model.router import Precedents, Router
from model.rules import load_rules
from model.trained import TrainedModel
from service.corrections import CorrectionStore
from service.settings import Settings

_log = logging.getLogger(__name__)


def rules_router(settings: Settings) -> Router:
    """Return a router that answers from rules alone."""
    matrix = load_matrix(settings.matrix)
    return Router(matrix, load_rules(settings.rules, matrix))


def open_router(settings: Settings) -> Router:
    """Return a router over the champion, or over rules alone when no model can be used.

    It heeds the corrections as they stand now, so that it can be sent to other processes.

    Raises
    ------
    DataError
        When matrix or rules are not valid.
    StoreError
        When there is a store of corrections that cannot be read.
    """
    router = rules_router(settings)
    model, problem = load_champion(Registry(settings.models_dir), router.matrix)
    if problem:
        _log.warning("answering from rules: %s", problem)
    store = CorrectionStore(settings.database_url)
    try:
        return Router(router.matrix, router.rules, model, store.snapshot())
    finally:
        store.close()


def load_champion(registry: Registry, matrix: Matrix) -> tuple[TrainedModel | None, str]:
    """Return the champion and an empty string, or `None` and why there is none to use."""
    try:
        return registry.load_champion(matrix), ""
    except (ModelError, RegistryError) as error:
        return None, str(error)


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What a running process serves.

    Attributes
    ----------
    version : str or None
        Version that serves, `None` when the rules do.
    problem : str
        Why the champion could not be loaded; empty when it serves.
    """

    version: str | None
    problem: str


class PinnedRouter:
    """A router that was given, and stays."""

    def __init__(self, router: Router) -> None:
        self.router = router

    @property
    def status(self) -> LiveStatus:
        """What serves."""
        return LiveStatus(self.router.model_version, "" if self.router.model else "no model was given")

    def close(self) -> None:
        """Do nothing; there is nothing to stop."""


class LiveRouter:
    """Keeps the champion loaded.

    A thread looks for a new champion and loads it beside the one that serves; requests never wait for it. A version
    that does not load leaves the old one serving.

    Parameters
    ----------
    settings : Settings
    precedents : Precedents, optional
        Corrections to heed.
    """

    def __init__(self, settings: Settings, precedents: Precedents | None = None) -> None:
        self._registry = Registry(settings.models_dir)
        base = rules_router(settings)
        self._seen = self._fingerprint()
        model, problem = load_champion(self._registry, base.matrix)
        self._router = Router(base.matrix, base.rules, model, precedents)
        self._problem = problem
        self._stop = threading.Event()
        self._seconds = settings.reload_seconds
        self._thread = threading.Thread(target=self._watch, name="champion-watch", daemon=True)
        if problem:
            _log.warning("answering from rules: %s", problem)

    def start(self) -> LiveRouter:
        """Begin to look for new champions."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()

    @property
    def router(self) -> Router:
        """The router that serves now."""
        return self._router

    @property
    def status(self) -> LiveStatus:
        """What serves now, and why it is not the champion if it is not."""
        return LiveStatus(self._router.model_version, self._problem)

    def _watch(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.refresh()
            except Exception:  # nobody would notice that a dead thread no longer looks
                _log.exception("looking for a new champion failed")

    def refresh(self) -> None:
        """Load the champion if it changed on disk since the last look."""
        fingerprint = self._fingerprint()
        if fingerprint == self._seen:
            return
        model, problem = load_champion(self._registry, self._router.matrix)
        if model:
            self._router = Router(self._router.matrix, self._router.rules, model, self._router.precedents)
            _log.info("serving version %s", model.version)
        else:
            serving = self._router.model_version or "the rules"
            _log.error("%s keeps serving; the champion cannot be loaded: %s", serving, problem)
        self._problem, self._seen = problem, fingerprint

    def _fingerprint(self) -> object:
        """Return what changes when the champion, or its files, change."""
        champion = self._registry.champion_or_none()
        folder = self._registry.folder
        paths = [folder / "champion.json"]
        if champion:
            paths += [folder / "versions" / champion.version / name for name in ("model.joblib", "manifest.json")]
        stats = []
        for path in paths:
            try:
                stat = path.stat()
                stats.append((str(path), stat.st_mtime_ns, stat.st_size))
            except OSError:
                stats.append((str(path), 0, -1))
        return stats
