"""The activation of environments of conda, with real scripts."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.conda.activation import activated

ENVIRON = {
    "PATH": os.defpath,
    "HOME": "/home/x",
    "PWD": "/here",
    "DATA": "mine",
    "GONE": "x",
    "GITHUB_ENV": "/runner/env",
}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "conda-meta").mkdir()
    return tmp_path


def put(prefix: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def changed(prefix: Path, environ: Mapping[str, str] = ENVIRON) -> dict[str, str | None]:
    """Return what activation changes; None: it removes the variable."""
    after = activated(environ, prefix)
    names = environ.keys() | after.keys()
    return {name: after.get(name) for name in names if after.get(name) != environ.get(name)}


def base(prefix: Path) -> dict[str, str | None]:
    own = {"PATH": f"{prefix}/bin:{os.defpath}", "CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": str(prefix)}
    return {**own, "CONDA_SHLVL": "1", "GITHUB_ENV": None}


def test_only_an_environment_of_conda_is_activated(tmp_path: Path, prefix: Path) -> None:
    assert changed(prefix) == base(prefix)
    assert changed(tmp_path / "other") == {"GITHUB_ENV": None}


def test_an_active_environment_is_activated_again(prefix: Path) -> None:
    """Later steps do not get all its variables from `activate: true`: no `LD_LIBRARY_PATH`, for example."""
    put(prefix, {"conda-meta/state": '{"env_vars": {"LD_LIBRARY_PATH": "x"}}'})
    assert changed(prefix, {**ENVIRON, "CONDA_PREFIX": str(prefix)})["LD_LIBRARY_PATH"] == "x"


def test_scripts_run_in_order_after_the_variables_of_the_environment(prefix: Path) -> None:
    put(
        prefix,
        {
            "conda-meta/state": '{"env_vars": {"OWN": "state", "COUNT": 3, "OFF": "***unset***"}}',
            "etc/conda/env_vars.d/x.json": '{"OWN": "package", "MORE": "é"}',
            "etc/conda/activate.d/a.sh": 'echo x; export DATA="$CONDA_PREFIX/data:$DATA" SEEN="$OWN"\nunset GONE\n',
            "etc/conda/activate.d/b.sh": "export LAST=\"$SEEN\"$'\\n'2\nfalse\n",
            "etc/conda/activate.d/c.fish": "exit 1\n",
        },
    )
    expected = {"OWN": "state", "COUNT": "3", "MORE": "é", "SEEN": "state", "LAST": "state\n2", "GONE": None}
    assert changed(prefix) == {**base(prefix), **expected, "DATA": f"{prefix}/data:mine"}


@pytest.mark.parametrize(
    ("script", "how"), [("echo no data >&2; exit 0\n", "`no data`"), ("exit 3\n", "`it ended without a message`")]
)
def test_a_script_that_ends_the_shell_is_an_error(prefix: Path, script: str, how: str) -> None:
    put(prefix, {"etc/conda/activate.d/a.sh": script})
    with pytest.raises(SurroundingsError) as caught:
        activated(ENVIRON, prefix)
    assert caught.value.message == f"The conda environment `{prefix}` could not be activated: {how}."


@pytest.mark.parametrize("state", ["{", "[]", '{"env_vars": [1]}'])
def test_a_broken_file_of_variables_is_named(prefix: Path, state: str) -> None:
    put(prefix, {"conda-meta/state": state})
    with pytest.raises(SurroundingsError, match="conda-meta/state` does not contain variables"):
        activated(ENVIRON, prefix)
