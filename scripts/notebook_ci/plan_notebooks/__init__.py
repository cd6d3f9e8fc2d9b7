"""The stage plan-notebooks: divides the notebooks that a change affects among jobs."""
