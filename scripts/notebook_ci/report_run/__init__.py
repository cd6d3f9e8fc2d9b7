"""The stage report-run: writes one HTML page about a run."""
