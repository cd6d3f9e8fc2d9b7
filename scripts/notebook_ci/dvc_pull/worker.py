"""The program that pulls: a worker (see `base/worker.py`) in a tool environment that has DVC."""

import sys
from pathlib import Path

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.base import worker
from notebook_ci.dvc_pull.protocol import Request, Result
from notebook_ci.dvc_pull.pulling import pull

if __name__ == "__main__":
    worker.serve(Request, Result(), pull)
