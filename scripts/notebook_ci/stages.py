"""The stages, in the order of the chain."""

STAGES = ("setup-env", "dvc-pull", "validate-data", "execute-notebook", "build-image", "log-run")
