"""Starts the kernel server from byte code: for a script, Python keeps the syntax tree in memory as long as it runs."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

spec: Any = importlib.util.spec_from_file_location("server", Path(__file__).with_name("server.py"))
server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(server)
become = server.main(int(sys.argv[1]), sys.argv[2])
if become:  # called here so that the kernel has no more frames below it than a kernel started on its own
    become()
