"""The library behind the scripts of notebook-ci: CI/CD for repositories of Jupyter notebooks.

Each stage has a package of its name. Stage packages import `base`, `notebooks`, `records` and `tools`, never each
other.
"""

import atexit
import gc

VERSION = "0.1.0"

# Processes of the suite are short, and most of their objects live as long as they do. Looking for garbage as often as
# Python does, and once more at the end, would take a sixth of their time.
gc.set_threshold(10_000)
atexit.register(gc.freeze)
