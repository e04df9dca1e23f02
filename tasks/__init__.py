"""Does the work: stage modules (Prefect tasks) over plain clients, copiers, the ledger and the reports."""
