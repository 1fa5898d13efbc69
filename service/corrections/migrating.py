"""Brings the corrections' database up to date; apart from `database`, since few processes ever need it."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from model.errors import StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_alembic = threading.Lock()  # Alembic keeps the running migration in a global of its module


def bring_up_to_date(connection: Connection) -> None:
    """Take every migration that is missing, in the transaction of the connection.

    Raises
    ------
    StoreError
        When the database was made by newer code, or a migration fails.
    """
    heads = MigrationContext.configure(connection).get_current_heads()
    unknown = set(heads) - {step.revision for step in ScriptDirectory(_MIGRATIONS).walk_revisions()}
    if unknown:
        revision = ", ".join(sorted(unknown))
        raise StoreError(
            f"the corrections' database was made by a newer issue-router (revision {revision}); update this one"
        )
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with _alembic:
            command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"the corrections' database cannot be brought up to date: {error}") from error
