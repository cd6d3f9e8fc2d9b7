"""Starts the server of kernels from byte code: of a script, Python keeps the syntax tree as long as it runs."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

spec: Any = importlib.util.spec_from_file_location("server", Path(__file__).with_name("server.py"))
server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(server)
become = server.main(int(sys.argv[1]), sys.argv[2])
if become:  # here, where no more frames are below it than below a started kernel
    become()
