"""Exports the locks of Poetry, PDM, Pipenv, conda-lock and pixi, with the tool that wrote the lock."""
