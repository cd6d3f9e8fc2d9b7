"""The stage dvc-pull: data that DVC versions, pulled and checked."""
