"""What the views of one application share."""

from __future__ import annotations

from dataclasses import dataclass

from model.errors import ModelError, RegistryError
from model.registry import Registry
from service.corrections import CorrectionStore
from service.live import LiveRouter, PinnedRouter
from service.metrics import Metrics
from service.schemas import ModelReply
from service.settings import Settings


@dataclass(frozen=True)
class Context:
    """What the views of one application share.

    Attributes
    ----------
    settings : Settings
    live : LiveRouter or PinnedRouter
    store : CorrectionStore
    metrics : Metrics
    """

    settings: Settings
    live: LiveRouter | PinnedRouter
    store: CorrectionStore
    metrics: Metrics

    def model_reply(self) -> ModelReply:
        """Return the manifest of the version that serves."""
        status = self.live.status
        manifest = None
        if status.version:
            try:
                manifest = Registry(self.settings.models_dir).manifest(status.version)
            except (ModelError, RegistryError):
                manifest = None  # deleted under our feet; the loaded model goes on serving
        return ModelReply(version=status.version, problem=status.problem, manifest=manifest)
