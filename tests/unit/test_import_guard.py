"""What a sealed process imports. In a process of its own: there is no way back."""

import subprocess
import sys
from pathlib import Path

import pytest

from notebook_ci.base.process import LINUX

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SCRIPT = """
import importlib, os, sys
sys.path[:0] = [{planted!r}, {scripts!r}]
import known
from notebook_ci.tools.import_guard import guard_imports
guard_imports()
names = ["known", "notebook_ci.tools.import_guard", "planted", "notebook_ci.sweeping", "known.more"]
names += ["pytest", "wave", "xml.dom"]
for name in names:
    try:
        print(name, importlib.import_module(name).__name__)
    except ImportError as error:
        print(name, type(error).__name__, error)
print(open(importlib.import_module("wave").__file__).read(6) != "EVIL()", "wave" in sys.modules)
if not os.fork():
    try:
        import planted
    except ModuleNotFoundError:
        print("in a fork, too", flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not LINUX, reason="it does nothing elsewhere")
def test_a_sealed_process_imports_the_standard_library_alone(tmp_path: Path) -> None:
    for name in ("known/__init__.py", "known/more.py", "planted.py", "wave.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("EVIL()" if name == "wave.py" else "")
    script = SCRIPT.format(planted=str(tmp_path), scripts=str(SCRIPTS))
    done = subprocess.run([sys.executable, "-u", "-c", script], capture_output=True, text=True, check=False)
    why = "ModuleNotFoundError {} is not imported: a notebook may have written it by now."
    names = ("planted", "notebook_ci.sweeping", "known.more", "pytest")
    expected = ["known known", "notebook_ci.tools.import_guard notebook_ci.tools.import_guard"]
    expected += [f"{name} {why.format(name)}" for name in names]
    expected += ["wave wave", "xml.dom xml.dom", "True True", "in a fork, too"]
    assert done.stdout.splitlines() == expected, done.stderr
