"""The Python environment of the notebooks: finds it, asks it, and runs uv for it."""
