"""The library behind the scripts of notebook-ci: CI/CD for repositories of Jupyter notebooks.

The base modules (inputs, records, github, process, context, notebooks/ ...) import nothing from outside the standard
library at their top, so that wrong inputs are refused before anything is installed. Each domain (environment,
execution, report) has a package; stage.py is what the scripts share.
"""

VERSION = "0.1.0"
