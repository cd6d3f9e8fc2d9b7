"""Runs one stand-in: with the argument `/any/folder/cache.restore` it calls `restore()` of the module `cache`."""

import importlib
import sys
from pathlib import Path

from standins import toolkit

if __name__ == "__main__":
    module, _, function = Path(sys.argv[1]).name.partition(".")
    try:
        getattr(importlib.import_module(f"standins.{module}"), function)()
    except toolkit.StandinError as error:
        toolkit.command("error", str(error))
        sys.exit(1)
