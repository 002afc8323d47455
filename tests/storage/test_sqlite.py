"""What is particular to the SQLite ledger: durability, upgrades, and a disk that says no."""

import asyncio
import sqlite3
import stat
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine

from ivr.errors import StorageError
from ivr.facts.reports import Channel
from ivr.storage import engine, upgrade
from ivr.storage.ledger import Ledger
from ivr.storage.schema import metadata


async def test_an_empty_database_is_brought_to_the_declared_tables(tmp_path):
    async with await Ledger.open(tmp_path / "ledger.db"):
        pass
    plain = sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with plain.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    plain.dispose()


async def test_opening_again_keeps_what_is_there(tmp_path, a_case, a_report):
    async with await Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        await ledger.record_sealed_case(a_case(), [a_report()])
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        assert (await ledger.report("a"))[0] == a_report()


async def test_cases_of_the_first_version_are_kept_and_belong_to_nobody(tmp_path):
    path = tmp_path / "ledger.db"
    old = sa.create_engine(f"sqlite:///{path}")
    with old.begin() as connection:
        config = upgrade.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "r0001")
        connection.execute(
            sa.text(
                "INSERT INTO cases VALUES ('01A', 'answer', '+84987654321', "
                "'2026-11-24T02:12:00.000000Z', 61.0, 'scam', 0.9, 1, :seal, '/cases/01A')"
            ),
            {"seal": "5" * 64},
        )
    old.dispose()
    async with await Ledger.open(path) as ledger:
        assert (await ledger.case("01A")).subscriber is None
        assert await ledger.cases(subscriber="+84987654321") == []


async def test_two_processes_may_open_an_empty_ledger_at_once(tmp_path):
    opened = await asyncio.gather(*(Ledger.open(tmp_path / "ledger.db") for _ in range(4)))
    for ledger in opened:
        assert await ledger.cases() == []
        await ledger.close()


async def test_commits_are_durable_and_references_are_kept(tmp_path):
    database = engine.Database.at(tmp_path / "ledger.db")
    async with database.reading("look") as connection:
        found = [
            await connection.scalar(sa.text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    await database.close()
    assert found == ["wal", 2, 1, engine.BUSY_TIMEOUT_MS]


async def test_nobody_else_on_the_machine_can_read_the_numbers(tmp_path, a_case):
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        await ledger.record_sealed_case(a_case())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    async with await Ledger.open(tmp_path / "ledger.db"):
        pass
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = 'r9999'")
    with pytest.raises(StorageError, match="newer version of ivr"):
        await Ledger.open(tmp_path / "ledger.db")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("r9999",)]


async def test_somebody_elses_database_is_refused_and_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as raw, raw:
        raw.execute("CREATE TABLE contacts (name TEXT)")
    with pytest.raises(StorageError, match="not a ledger's"):
        await Ledger.open(tmp_path / "other.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as raw:
        names = raw.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("contacts",)]


async def test_a_file_that_is_no_database_is_named_as_such(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"this is not a database, it is a letter\n" * 40)
    with pytest.raises(StorageError, match="not an SQLite database") as caught:
        await Ledger.open(tmp_path / "ledger.db")
    assert "ivr recover" in caught.value.remedy


async def test_a_damaged_database_is_named_as_such(tmp_path, a_case):
    path = tmp_path / "ledger.db"
    async with await Ledger.open(path) as ledger:
        await ledger.record_sealed_case(a_case())
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(StorageError, match="damaged"):
        await Ledger.open(path)


async def test_a_full_disk_loses_nothing_that_was_entered(tmp_path, a_case, a_report):
    """The size limit is SQLite's own, the answer (SQLITE_FULL) that of a full disk."""
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        await ledger.record_sealed_case(a_case(), [a_report()])

    def limit(connection, _record):
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count=20")
        cursor.close()

    event.listen(Engine, "connect", limit)
    try:
        async with await Ledger.open(tmp_path / "ledger.db") as ledger:
            other = a_case("01KAS0000000000000000000B2")
            large = a_report("b" * 64, case_id=other.case_id, body="x" * 200_000)
            with pytest.raises(StorageError, match="full") as caught:
                await ledger.record_sealed_case(other, [large])
            assert "Free disk space" in caught.value.remedy
            assert [case.case_id for case in await ledger.cases()] == [a_case().case_id]
            assert (await ledger.report("a"))[0] == a_report()
    finally:
        event.remove(Engine, "connect", limit)
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        assert await ledger.record_sealed_case(other, [large]) == ("b" * 64,)


async def test_a_locked_database_says_who_to_look_for(tmp_path, a_case, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError, match="another process held"):
                await ledger.record_sealed_case(a_case())
            assert await ledger.cases() == []  # readers are not disturbed
            raw.execute("ROLLBACK")
        await ledger.record_sealed_case(a_case())


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("sqlite://", "lost with the process"),
        ("postgresql://localhost/ivr", "only SQLite"),
        ("://", "parse"),
    ],
)
async def test_an_unusable_address_is_explained(address, why):
    with pytest.raises(StorageError, match=why):
        await Ledger.open(address)


async def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not be opened"):
        await Ledger.open(tmp_path / "file" / "ledger.db")


def test_migrations_and_queries_are_sql_that_postgresql_takes_too(capsys):
    """Compiled, not run: the driver is not a dependency yet."""
    config = upgrade.configuration()
    config.attributes["dialect"] = "postgresql"
    command.upgrade(config, "head", sql=True)
    script = capsys.readouterr().out
    assert script.count("CREATE TABLE") == len(metadata.tables) + 1  # and its own version
    for table in metadata.sorted_tables:
        assert str(sa.schema.CreateTable(table).compile(dialect=postgresql.dialect()))
    lock = sa.select(metadata.tables["reports"]).with_for_update(skip_locked=True)
    assert "SKIP LOCKED" in str(lock.compile(dialect=postgresql.dialect()))


async def test_next_due_ignores_channels_nobody_delivers(tmp_path, a_case, a_report, clock):
    async with await Ledger.open(tmp_path / "ledger.db", clock) as ledger:
        await ledger.record_sealed_case(a_case(), [a_report()])
        assert await ledger.outbox.next_due({Channel.SMS}) is None
        assert await ledger.outbox.next_due({Channel.MAIL}) == clock.now()
