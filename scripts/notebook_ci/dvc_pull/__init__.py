"""The stage dvc-pull: pulls and checks data that DVC versions."""
