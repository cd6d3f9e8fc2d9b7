"""Executes notebooks: papermill in the tool environment, the kernel in the user's."""
