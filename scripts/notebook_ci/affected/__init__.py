"""Which notebooks a change affects: for the stages that can run these alone."""
