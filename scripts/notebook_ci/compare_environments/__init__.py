"""The stage compare-environments: runs the notebooks in two environments, and names what changed or broke each."""
