"""The library behind the scripts of notebook-ci: CI/CD for repositories of Jupyter notebooks.

The modules here are the base (inputs, records, GitHub, processes, notebooks) and use the standard library only, so that
wrong inputs are refused before anything is installed. Each domain (environment, execution, ...) has a package.
"""

VERSION = "0.1.0"
