"""Every setting of the running product, read once from the environment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from model.errors import DataError

PREFIX = "ISSUE_ROUTER_"
_LAST_PORT = 65_535
_BATCH_CHARACTERS = 500  # of a text, on average; most tickets are shorter
_ROOT = Path(__file__).resolve().parent.parent


class SettingError(DataError):
    """A setting has a value that cannot be taken; the message names its key."""


def _setting(default: object, about: str) -> Any:  # a dataclass field is whatever type its annotation says
    return field(default=default, metadata={"help": about})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings; each is read from `ISSUE_ROUTER_<NAME IN CAPITALS>`.

    Examples
    --------
    >>> Settings.from_env({"ISSUE_ROUTER_PORT": "9000"}).port
    9000
    """

    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on")
    workers: int = _setting(2, "serving processes")
    threads: int = _setting(4, "threads of each serving process")
    state_dir: Path = _setting(_ROOT / "var", "folder of everything that the product writes")
    matrix: Path = _setting(
        _ROOT / "data" / "matrix.toml", "escalation matrix; `rules.toml` and `issues.csv` beside it are taken too"
    )
    rules: Path = _setting(_ROOT / "data" / "rules.toml", "keyword rules")
    examples: Path = _setting(_ROOT / "data" / "issues.csv", "labelled examples to train on")
    corrections_url: str = _setting("", "database of corrections; empty: a SQLite file in the state folder")
    max_text_characters: int = _setting(50_000, "longest text that the API takes")
    max_batch_texts: int = _setting(1_000, "most texts of one call of route:batch")
    reload_seconds: float = _setting(1.0, "how often a serving process looks for a new champion, in seconds")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the environment.

        Parameters
        ----------
        environ : mapping of str to str, optional
            Where to read; `os.environ` by default.

        Raises
        ------
        SettingError
            When a value is not of its setting's type, or a key with our prefix is no setting.
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        unknown = sorted(key for key in environ if key.startswith(PREFIX) and key not in known)
        if unknown:
            raise SettingError(f"{', '.join(unknown)}: no such setting; there are {', '.join(known)}")
        given: dict[str, Any] = {f.name: _parse(k, environ[k], f.default) for k, f in known.items() if k in environ}
        if given.get("port", 0) > _LAST_PORT:
            raise SettingError(f"{PREFIX}PORT: {given['port']} is not a port; the last is {_LAST_PORT}")
        if "matrix" in given:
            beside = {"rules": "rules.toml", "examples": "issues.csv"}
            found = {name: path for name, file in beside.items() if (path := given["matrix"].parent / file).is_file()}
            given = found | given
        return cls(**given)

    def with_server(self, *, host: str | None, port: int | None, workers: int | None) -> Settings:
        """Return the same settings with another address or number of processes, where one is given."""
        return replace(self, host=host or self.host, port=port or self.port, workers=workers or self.workers)

    @property
    def max_batch_characters(self) -> int:
        """Most characters of one call of route:batch, which bounds how long it can hold a thread."""
        return max(self.max_text_characters, _BATCH_CHARACTERS * self.max_batch_texts)

    @property
    def models_dir(self) -> Path:
        """Folder of the model versions."""
        return self.state_dir / "models"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the corrections."""
        return self.corrections_url or f"sqlite:///{self.state_dir / 'corrections.sqlite3'}"


def _parse(key: str, text: str, default: object) -> object:
    try:
        if isinstance(default, Path):
            return Path(text).expanduser().resolve()
        if isinstance(default, int | float):
            number = type(default)(text)
            if not 0 < number < math.inf:
                raise ValueError
            return number
    except ValueError:
        kind = "whole number" if isinstance(default, int) else "number"
        raise SettingError(f"{key}: {text!r} is not a positive {kind}") from None
    if default and not text.strip():  # an empty address would listen on all of them
        raise SettingError(f"{key}: is empty; leave it out for {default!r}")
    return text
