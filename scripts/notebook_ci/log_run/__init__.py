"""Logs a run to MLflow: reads the run directory, and describes it to a worker that talks to the store."""
