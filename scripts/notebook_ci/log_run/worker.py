"""The program that talks to MLflow. `client.py` starts it in a tool environment that has MLflow.

It reads a `Job` as JSON from standard input and writes an `Answer` as JSON to standard output.
"""

import json
import os
import sys
import warnings
from pathlib import Path

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.base.typed_json import from_json, to_json
from notebook_ci.log_run.protocol import PROGRESS, STEP, Answer, Job
from notebook_ci.log_run.recording import Recording


def main() -> int:
    job = from_json(Job, json.load(sys.stdin))
    # What MLflow prints must not get into the answer.
    answer_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    answer = Answer()
    Recording(job, answer, progress=lambda text: _tell(PROGRESS + text), step=lambda text: _tell(STEP + text)).run()
    with answer_to:
        json.dump(to_json(answer), answer_to)
    return 0


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
