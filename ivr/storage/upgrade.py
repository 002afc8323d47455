"""Bring a database to this version's tables, or refuse when it is ahead of us."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ivr.errors import StorageError
from ivr.storage.engine import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


def configuration() -> Config:
    """Alembic's configuration without an ini file: it travels inside the package."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: sa.Connection) -> None:
    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None and sa.inspect(connection).get_table_names():
        raise StorageError(
            "The database holds tables that are not a ledger's.",
            why="it has tables but no ledger version",
            remedy="Check storage.ledger_url: it must name a ledger or a new file.",
        )
    if current is not None and current not in known:
        raise StorageError(
            "The ledger was written by a newer version of ivr.",
            why=f"it is at {current}, this version knows {', '.join(sorted(known))}",
            remedy="Start the newer version, or restore the backup made before its upgrade.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def upgrade(database: Database) -> None:
    """Run what is missing in one transaction; a failure leaves the database as it was.

    Raises:
        StorageError: the database is newer than this code, is not a ledger, or cannot be written.
    """
    async with database.writing("be brought to this version's tables") as connection:
        await connection.run_sync(_upgrade)
