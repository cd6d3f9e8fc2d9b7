"""Executes notebooks: papermill runs in the tool environment, the kernel in the user's environment."""
