"""The stage collect-runs: merges the run directories of shards, and judges whether the plan was carried out."""
