"""What people corrected, and the database that keeps it."""

from service.corrections.store import CorrectionStore

__all__ = ["CorrectionStore"]
