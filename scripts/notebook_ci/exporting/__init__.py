"""Exports the locks of Poetry, PDM and Pipenv to hashed requirements, with the tool that wrote the lock."""
