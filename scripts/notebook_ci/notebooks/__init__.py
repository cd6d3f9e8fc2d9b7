"""Reads notebooks: cells, parameters, metrics, tracebacks, and line positions in the file. Never writes one.

Standard library only: these modules run before anything is installed. They locate errors by the physical line in the
`.ipynb` file, which nbformat does not keep.
"""
