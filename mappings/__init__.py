"""Decides: pure functions over frozen values. No Prefect, Azure, pandas, clock, environment, files or network."""
