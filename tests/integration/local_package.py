"""A package whose build runs code of the repository."""

from integration.suite import Workspace

BACKEND = """
import json, os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "local-1-py3-none-any.whl"
    seen = [each for each in os.environ if each.startswith(("GITHUB_OUTPUT", "GITHUB_ENV", "ACTIONS_"))]
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("local.py", "SEEN = %r" % seen + "\\nCODE = " + repr(open("code.txt").read()))
        wheel.writestr("local-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: local\\nVersion: 1\\n")
        wheel.writestr("local-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("local-1.dist-info/RECORD", "")
    return name
"""


def local_package(workspace: Workspace, text: str) -> None:
    """Write a package that is built by code of the repository."""
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    workspace.write("pkg/pyproject.toml", f'{build}[project]\nname = "local"\nversion = "1"\n')
    workspace.write("pkg/backend.py", BACKEND)
    workspace.write("pkg/code.txt", text)
