"""Stands in for actions/setup-python 7.0.0: gives the job a Python of its own, made from one of this machine's.

What the job installs goes into a throw-away virtual environment with pip, never into the interpreter it is made from.
$HARNESS_PYTHONS tells the interpreters (JSON, version to path); $HARNESS_SHARED is a folder that outlives the test run.
Not imitated: the input `cache` (nothing is kept), PyPy, version ranges other than `3`, `3.x`, `3.11`, `3.11.x`.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from standins import toolkit


def setup() -> None:
    """`actions/setup-python`."""
    version, interpreter = _interpreter(_wanted_version())
    location = Path(os.environ["RUNNER_TEMP"]).parent / "hostedtoolcache" / "Python" / version / "x64"
    if not location.exists():
        _make_environment(interpreter, version, location)
    if toolkit.text("update-environment") != "false":
        toolkit.set_variable("pythonLocation", location)
        for name in ("Python_ROOT_DIR", "Python2_ROOT_DIR", "Python3_ROOT_DIR"):
            toolkit.set_variable(name, location)
        toolkit.add_path(location)
        toolkit.add_path(location / "bin")
    print(f"Successfully set up CPython ({version})")
    toolkit.set_output("python-version", version)
    toolkit.set_output("python-path", location / "bin" / "python")


def _wanted_version() -> str:
    if version := toolkit.text("python-version"):
        return version
    name = toolkit.text("python-version-file") or ".python-version"
    file = Path(toolkit.absolute(name))
    if not file.is_file():
        raise toolkit.StandinError(f"The specified python version file at: {file} doesn't exist.")
    return file.read_text(encoding="utf-8").strip()


def _interpreter(wanted: str) -> tuple[str, str]:
    there: dict[str, str] = json.loads(os.environ["HARNESS_PYTHONS"])
    prefix = wanted.removesuffix(".x")
    fitting = [version for version in there if version == prefix or version.startswith(f"{prefix}.")]
    if not fitting:
        raise toolkit.StandinError(
            f"The version '{wanted}' is not on this machine, which has {', '.join(sorted(there))}."
        )
    version = max(fitting, key=lambda text: [int(part) for part in text.split(".")])
    return version, there[version]


def _make_environment(interpreter: str, version: str, location: Path) -> None:
    """A virtual environment with pip. Copying a pip that is there takes 0.3 s, installing it 3 s."""
    subprocess.run([interpreter, "-m", "venv", "--without-pip", location], check=True)
    folder = f"lib/python{'.'.join(version.split('.')[:2])}/site-packages"
    shutil.copytree(_template(interpreter, version) / folder, location / folder, dirs_exist_ok=True)
    for name in ("pip", "pip3"):
        program = location / "bin" / name
        start = "import sys; from pip._internal.cli.main import main; sys.exit(main())"
        program.write_text(f"#!{location}/bin/python\n{start}\n", encoding="utf-8")
        program.chmod(0o755)


def _template(interpreter: str, version: str) -> Path:
    """The environment to copy pip from; made on first use."""
    template = Path(os.environ["HARNESS_SHARED"]) / "pythons" / version
    if not template.exists():
        template.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=template.parent) as scratch:
            made = Path(scratch) / "environment"
            subprocess.run([interpreter, "-m", "venv", made], check=True)
            try:
                made.rename(template)
            except OSError:
                if not template.exists():  # else another job was faster
                    raise
    return template
