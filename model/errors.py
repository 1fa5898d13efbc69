"""Every error that the router raises on purpose, free of HTTP.

::

    RouterError
    ├── DataError                 a data file is missing or says something impossible
    │   ├── MatrixError
    │   ├── RulesError
    │   └── ExamplesError
    ├── InputError                what the caller gave cannot be taken; names the field
    │   └── UnknownRegionError
    ├── ModelError                no model can be used; the router answers from rules
    │   ├── ModelMissingError
    │   ├── ModelCorruptError
    │   └── ModelIncompatibleError
    ├── RegistryError             versions on disk: unknown version, folder that cannot be written
    │   └── PromotionRefusedError
    ├── StoreError                corrections cannot be read or written now
    │   └── UnknownRoutingError
    └── BatchError                a file of tickets cannot be labelled as asked
"""

from __future__ import annotations


class RouterError(Exception):
    """Base of every error that the router raises on purpose."""


class DataError(RouterError):
    """A data file is missing or says something impossible."""


class MatrixError(DataError):
    """The escalation matrix is not valid; the message names table and key."""


class RulesError(DataError):
    """The keyword rules are not valid; the message names the rule."""


class ExamplesError(DataError):
    """The labelled examples are not valid; the message names line and column."""


class InputError(RouterError):
    """What the caller gave cannot be taken.

    Parameters
    ----------
    field : str
        Name of the field at fault.
    message : str
        What is wrong and how to mend it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnknownRegionError(InputError):
    """The matrix has no such region."""


class ModelError(RouterError):
    """No model can be used; the router answers from rules."""


class ModelMissingError(ModelError):
    """There is no champion, or its files are gone."""


class ModelCorruptError(ModelError):
    """The artefact is not the one that its manifest describes."""


class ModelIncompatibleError(ModelError):
    """The artefact was made by another library version or for another matrix."""


class RegistryError(RouterError):
    """The folder of model versions cannot do what was asked."""


class PromotionRefusedError(RegistryError):
    """The challenger is worse than the champion; the message lists every reason."""

    def __init__(self, version: str, reasons: list[str]) -> None:
        super().__init__(f"version {version} is not promoted: " + "; ".join(reasons))
        self.version = version
        self.reasons = reasons


class StoreError(RouterError):
    """Corrections cannot be read or written now."""


class UnknownRoutingError(StoreError):
    """No routing with this id is remembered."""


class BatchError(RouterError):
    """A file of tickets cannot be labelled as asked."""
