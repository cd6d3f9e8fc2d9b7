"""What a notebook can do to the processes of its chain."""

# Source of a cell: `found` lists the processes of the chain, by the end of their command lines' words.
FIND = """
import os, signal
from pathlib import Path

def above(pid):
    while pid:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

def line(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()

found = {}
pipeline = next(pid for pid in above(os.getpid()) if "/pipeline.py" in line(pid))
for folder in Path("/proc").glob("[0-9]*"):
    try:
        names = ("pipeline.py", "execute_notebook.py", "/log_run.py", "/log_run/worker.py", "start.py", "")
        name = next(each for each in names if each in line(folder.name))
        is_ours = pipeline in above(int(folder.name))
    except OSError:
        continue
    if is_ours and name:
        found.setdefault(name, []).append(int(folder.name))
[stage], [worker] = (found.get(name, [None]) for name in ("/log_run.py", "/log_run/worker.py"))
"""
STOP = f"{FIND}os.kill(stage, signal.SIGSTOP)\nos.kill(worker, signal.SIGSTOP)\n"
KILL = f"{FIND}os.kill(worker, signal.SIGKILL)\n"
