"""Parameters with secret values, and credentials that are not passed to notebooks."""

import io
from pathlib import Path

import pytest

from notebook_ci.base import masking
from notebook_ci.base.console import console
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError
from notebook_ci.base.masking import masked
from notebook_ci.base.spellings import Known
from notebook_ci.environments.withheld import for_notebooks
from notebook_ci.execute_notebook.secret_parameters import VARIABLES, values
from notebook_ci.records.run_directory import RunDirectory, StageFiles


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", Known())


def test_secrets_are_read_and_hidden() -> None:
    variables = VARIABLES.read("password: DB_PW\nkey: MY_KEY", "`secret-parameters`")
    assert values(variables, {"x": 1}, {"DB_PW": "h-unter2", "MY_KEY": "7"}) == {"password": "h-unter2", "key": "7"}
    assert masked("h-unter2, 7") == "***, 7"


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


CREDENTIALS = {
    "GITHUB_TOKEN": "ghs-of-a-job",
    "MY_API_KEY": "0a1b2c3d4e5f",
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-data",
    "https_proxy": "http://ann:pw-of-proxy@proxy",
    "HOOK": "https://x/?sig=0a1b2c3d4e5f",  # the value of another variable
}
OTHERS = {"PATH": "/usr/bin", "HOME": "/home/ann", "MAX_TOKENS": "4096", "LANG": "C"}


@pytest.mark.parametrize(
    ("pass_env", "passed"),
    [
        ([], {"AWS_SECRET_ACCESS_KEY", "https_proxy"}),
        (["MY_API_KEY"], {"AWS_SECRET_ACCESS_KEY", "https_proxy", "MY_API_KEY"}),
        (["*", "!GITHUB_*"], CREDENTIALS.keys() - {"GITHUB_TOKEN"}),
        (["!*", "my_*"], {"MY_API_KEY"}),
        (["!AWS_*", "typo"], {"https_proxy"}),
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
