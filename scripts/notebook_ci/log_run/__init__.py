"""The stage log-run: reads the run directory, and describes it to a worker that logs it to MLflow."""
