"""The library behind the scripts of notebook-ci: CI/CD for repositories of Jupyter notebooks.

Each stage has a package of its name. Stage packages import `base`, `notebooks`, `records` and `tools`, never each
other.
"""

VERSION = "0.1.0"
