"""The program that talks to MLflow: a worker (see `base/worker.py`) in a tool environment that has MLflow."""

import sys
from pathlib import Path

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.base import worker
from notebook_ci.log_run.protocol import Answer, Job
from notebook_ci.log_run.recording import record

if __name__ == "__main__":
    worker.serve(Job, Answer(), record)
