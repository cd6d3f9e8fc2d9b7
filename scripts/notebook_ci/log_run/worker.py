"""The program that talks to MLflow: a worker (see `base/worker.py`) in a tool environment that has MLflow."""

import sys
from pathlib import Path

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.base import isolation, worker
from notebook_ci.log_run.protocol import Answer, Job
from notebook_ci.log_run.recording import load, record

if __name__ == "__main__":
    isolation.keep_to_itself()
    isolation.end_with_parent()
    worker.serve(Job, Answer(), record, lambda: load(sys.argv[1:]))
