"""Runs comment-run many times in one process of its tool environment: a JSON line in per run, and one out."""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

from comment_run import STAGE

for line in sys.stdin:
    job = json.loads(line)
    os.chdir(job["cwd"])
    before = dict(os.environ)
    os.environ |= job["environ"]  # libraries read it
    log = io.StringIO()
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        code = STAGE.main(["--inputs-from-stdin"], job["environ"], io.StringIO(json.dumps(job["inputs"])))
    os.environ.clear()
    os.environ |= before
    print(json.dumps({"code": code, "log": log.getvalue()}), flush=True)
