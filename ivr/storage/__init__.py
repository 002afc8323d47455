"""Storage: the ledger of cases and the outbox of reports, in one database and one transaction."""
