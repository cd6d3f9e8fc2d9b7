"""Finds and reads notebooks: cells, parameters, imports, metrics, tracebacks, positions in the file. Never writes one.

Standard library only: these modules run before anything is installed. They locate errors by the physical line in the
file, which nbformat and jupytext do not keep.
"""
