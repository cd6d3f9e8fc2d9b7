"""Parameters with secret values, and credentials that are not passed to notebooks."""

import io
import os
from pathlib import Path

import pytest

from notebook_ci.base import masking
from notebook_ci.base.console import console
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import StageInputs
from notebook_ci.base.load_inputs import load
from notebook_ci.base.masking import masked
from notebook_ci.base.spellings import Known
from notebook_ci.base.workspace import Workspace
from notebook_ci.environments.withheld import for_notebooks
from notebook_ci.execute_notebook.secret_parameters import VARIABLES, values
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.run_directory import RunDirectory, StageFiles


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", Known())


def test_secrets_are_read_and_hidden() -> None:
    variables = VARIABLES.read("password: DB_PW\nkey: MY_KEY", "`secret-parameters`")
    assert values(variables, {"x": 1}, {"DB_PW": "h-unter2", "MY_KEY": "7"}) == {"password": "h-unter2", "key": "7"}
    assert masked("h-unter2, 7") == "***, 7"
    assert values({"x": "DB_PW"}, {}, {"DB_PW": "of-a-file\n"}) == {"x": "of-a-file\n"}
    assert masked("b2YtYS1maWxl, 6f662d612d66696c65") == "***, ***", "a notebook may strip it first"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[DB_PW]", "is a list, not a map"),
        ("password: h-unter2", "has no name of a variable for `password`"),
        ("password: 7", "has no name of a variable for `password`"),
        ("password:", "has no name of a variable for `password`"),
        ("password: [DB_PW]", "has no name of a variable for `password`"),
        ("password: NOT_SET", "for `password` is not set, or is empty"),
        ("password: EMPTY", "for `password` is not set, or is empty"),
        ("x: DB_PW", "`x` is in `secret-parameters` and among the other parameters"),
    ],
)
def test_wrong_secret_parameters_are_refused_without_their_values(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        values(VARIABLES.read(text, "`secret-parameters`"), {"x": 1}, {"DB_PW": "a", "EMPTY": ""})
    assert raised.value.hint
    assert not {"h-unter2", "NOT_SET"} & set(str(raised.value).split("`"))


NAMED = {"DB_PW": "h-unter22\n", "HOME": "/home/ann", "MY_PIN": "7"}


@pytest.mark.parametrize(
    "table",
    [
        'secret-parameters = """\nx: DB_PW # a comment\ny: MY_PIN\n"""',
        "[execute-notebook.secret-parameters]\nx = 'DB_PW'\ny = 'NOT_SET'",
        "secret-parameters = {x = 'HOME', y = 'DB_PW', z = 7, t = 2026-01-01}",
        'secret-parameters = \'{"x":"DB_PW"}\'',
    ],
)
def test_every_stage_hides_the_secrets_that_the_file_names(tmp_path: Path, table: str) -> None:
    (tmp_path / "notebook-ci.toml").write_text(f"[execute-notebook]\n{table}\n")
    load(StageInputs, "setup-env", [], io.StringIO(), Workspace(tmp_path, NAMED))
    assert masked("h-unter22 /home/ann 7 aC11bnRlcjIy") == "*** /home/ann 7 ***"


def test_a_later_stage_hides_the_secrets_of_the_notebooks(tmp_path: Path) -> None:
    given: dict[str, object] = {"secret-parameters": {"password": "DB_PW"}}
    StageFiles("execute-notebook-a", tmp_path).write(ExecuteRecord(stage="execute-notebook", inputs=given))
    (tmp_path / "execute-notebook.json").write_text("[")  # by a notebook, as this pipe
    os.mkfifo(tmp_path / "execute-notebook-b.json")
    assert masked("h-unter22") == "h-unter22"
    RunDirectory(tmp_path).hide_secrets(NAMED)
    assert masked("h-unter22 /home/ann") == "*** /home/ann"


CREDENTIALS = {
    "GITHUB_TOKEN": "ghs-of-a-job",
    "MY_API_KEY": "0a1b2c3d4e5f",
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-data",
    "https_proxy": "http://ann:pw-of-proxy@proxy",
    "HOOK": "https://x/?sig=0a1b2c3d4e5f",  # the value of another variable
    "PGPASSWORD": "pw-of-postgres",
    "PGP_PASSPHRASE": "signs-releases",
    "UV_PUBLISH_TOKEN": "pypi-of-a-release",
    "AZURE_DEVOPS_EXT_PAT": "opens-all-projects",
}
OTHERS = {"PATH": "/usr/bin", "HOME": "/home/ann", "MAX_TOKENS": "4096", "LANG": "C"}


@pytest.mark.parametrize(
    ("pass_env", "passed"),
    [
        ([], {"AWS_SECRET_ACCESS_KEY", "https_proxy", "PGPASSWORD"}),
        (["MY_API_KEY"], {"AWS_SECRET_ACCESS_KEY", "https_proxy", "PGPASSWORD", "MY_API_KEY"}),
        (["*", "!GITHUB_*"], CREDENTIALS.keys() - {"GITHUB_TOKEN"}),
        (["!*", "my_*"], {"MY_API_KEY"}),
        (["!AWS_*", "typo"], {"https_proxy", "PGPASSWORD"}),
        (["!*", "uv_publish_*"], {"UV_PUBLISH_TOKEN"}),
        (["*"], set(CREDENTIALS)),
    ],
)
def test_credentials_are_passed_by_patterns(tmp_path: Path, pass_env: list[str], passed: set[str]) -> None:
    masking.learn(CREDENTIALS | OTHERS)
    files, shown = StageFiles("x", tmp_path), console({}, io.StringIO())
    given = Context(tmp_path, {}, run_directory=RunDirectory(tmp_path), files=files, console=shown)
    assert for_notebooks(CREDENTIALS | OTHERS, pass_env, given).keys() == passed | OTHERS.keys()
    withheld = sorted(CREDENTIALS.keys() - passed)
    told = [problem.message for problem in given.problems]
    assert all(f"`{name}`" in told[0] for name in withheld)
    assert len(told) == bool(withheld)
    assert not any(value in str(told) for value in CREDENTIALS.values())
