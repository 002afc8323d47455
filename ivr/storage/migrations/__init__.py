"""Alembic migrations of the ledger; run by ``ivr.storage.upgrade``."""
