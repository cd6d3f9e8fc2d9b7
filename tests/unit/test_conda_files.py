"""The files of conda, and its settings."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base import conda
from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError
from notebook_ci.conda import faults, settings
from notebook_ci.conda.settings import CondaSettings
from notebook_ci.setup_env.uv import Installed
from notebook_ci.setup_env.venv import digest

ENVIRONMENT = """\
name: study
channels: [conda-forge, defaults]
dependencies:
  - python=3.11
  - numpy >=2  # why
  - pip
  - pip:
    - -r requirements.txt
    - rich
variables:
  GREETING: hello
  COUNT: 3
"""
MAIN = "https://repo.anaconda.com/pkgs/main"
OTHER = "osx-64" if this_platform() != "osx-64" else "linux-64"


def read(folder: Path, text: str) -> conda.EnvironmentFile:
    path = folder / "environment.yml"
    path.write_text(text)
    return conda.read(path, "environment.yml")


def test_an_environment_is_read_with_the_lines_of_its_part_pip(tmp_path: Path) -> None:
    found = read(tmp_path, ENVIRONMENT)
    assert found.channels == ("conda-forge", "defaults")
    assert found.packages == ("python=3.11", "numpy >=2", "pip")
    assert [(line.number, line.text) for line in found.pip] == [(8, "-r requirements.txt"), (9, "rich")]
    assert found.pip[0].included == tmp_path / "requirements.txt"
    assert found.variables == {"GREETING": "hello", "COUNT": "3"}


@pytest.mark.parametrize("text", ["", "name: x\n", "dependencies:\n", "dependencies: []\nchannels:\n"])
def test_an_environment_may_be_empty(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == conda.EnvironmentFile()


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("- numpy\n", "`environment.yml` is not an environment of conda.", None),
        ("dependencies: numpy\n", "`dependencies` of `environment.yml` is not a list.", 1),
        ("a: 1\ndependencies:\n  numpy: 2\n", "`dependencies` of `environment.yml` is not a list.", 3),
        ("dependencies:\n- a\n- 1\n", "`environment.yml` lists `1`, not a package.", 3),
        ("dependencies:\n- a\n- numpy: 2\n", '`environment.yml` lists `{"numpy": 2}`, not a package.', 3),
        ("dependencies:\n- pip: rich\n", "`pip` of `environment.yml` is not a list.", 2),
        ("dependencies:\n- pip:\n  - a\n  - [b]\n", '`environment.yml` lists `["b"]`, not a package.', 4),
        ("channels: [1]\n", "`environment.yml` lists `1`, not a package.", 1),
        ("variables: [x]\n", "`variables` of `environment.yml` is a list, not a map.", None),
        ("dependencies: [\n", "`environment.yml` is not valid YAML", None),
    ],
)
def test_a_wrong_environment_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str, line: int | None
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert caught.value.message.startswith(message)
    assert line is None or caught.value.line == line


HERE = this_platform()
PIXI = "version: 6\nenvironments:\n  default:\n    packages:\n      {0}:\n      - conda: x\npackages:\n- x: {1}\n"
CONDA_LOCK = "version: 1\nmetadata:\n  platforms:\n  - {0}\n  sources: []\npackage:\n- platform: {1}\n"
IS_FOR = f"`x` is for {OTHER}, but this machine is {HERE}."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"# platform: {HERE}\n@EXPLICIT\n", ""),
        (f"@EXPLICIT\nhttps://host/a/b/{HERE}/x-1-0.conda#00ff\nfile:///c/noarch/y-1-0.tar.bz2\n", ""),
        (f"# created by conda: https://host/{OTHER}/x\n@EXPLICIT\n", ""),
        (f"# platform: {OTHER}\n@EXPLICIT\n", IS_FOR),
        (f"@EXPLICIT\nhttps://host/{OTHER}/x-1-0.conda#00ff\nfile:///c/noarch/y-1-0.tar.bz2\n", IS_FOR),
        (PIXI.format(HERE, OTHER), ""),
        (PIXI.format(OTHER, HERE), f"`x` is not for {HERE}."),
        (CONDA_LOCK.format(HERE, OTHER), ""),
        (CONDA_LOCK.format(OTHER, HERE), f"`x` is not for {HERE}."),
    ],
)
def test_a_lock_of_another_platform_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError) if message else nullcontext() as caught:
        conda.check_platform(tmp_path / "x", "x")
    assert not message or (caught and caught.value.message == message)


def test_what_is_no_list_of_urls() -> None:
    assert not conda.is_explicit("numpy==1 # not @EXPLICIT\n")


def test_the_digest_follows_version_and_build_of_each_package_of_conda() -> None:
    of = Installed("3.12.1", "CPython", "linux-x86_64", {"x": "1"})
    changed = ({"x": "1 0"}, {"x": "2 0"}, {"x": "1 1"}, {"x": "1 0", "y": "1 0"})
    digests = {digest(of), *(digest(replace(of, conda=each)) for each in changed)}
    assert len(digests) == 1 + len(changed)
    assert digest(replace(of, conda={"x": "1 0"})) == digest(replace(of, conda={"x": "1 0"}))


# Settings


def user(folder: Path, **files: str) -> dict[str, str]:
    """Return the variables of a user with settings files in the home folder, whose names have `__` for a slash."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"HOME": str(folder / "home")}


def test_variables_win_over_files_and_near_files_over_far_ones(tmp_path: Path) -> None:
    environ = user(
        tmp_path,
        **{
            "etc__conda__.condarc": "channels: [far]\nchannel_alias: https://far\nchannel_priority: strict\n",
            "home__.condarc": "channels: [near]\nchannel_alias: https://near/\n",
            "own": "custom_channels: {lab: 'https://${HOST}/$CHANNEL', x: 'https://a:p$$w$ord@h'}\n",
        },
    )
    environ |= {"CONDARC": str(tmp_path / "own"), "HOST": "lab.example", "CHANNEL": "conda"}
    found = settings.read(environ, "linux", tmp_path)
    assert found.channels == ("near", "far")
    assert found.priority == "strict"
    assert found.resolve(["near", "lab/label/dev"]).urls == [
        "https://near/near",
        "https://lab.example/conda/lab/label/dev",
    ]
    assert found.resolve(["x"]).credentials == {"h": {"BasicHTTP": {"username": "a", "password": "p$$w$ord"}}}
    environ |= {"CONDA_CHANNELS": "one,two", "CONDA_CHANNEL_PRIORITY": "disabled", "CONDA_CHANNEL_ALIAS": "https://x"}
    found = settings.read(environ, "linux", tmp_path)
    assert (found.channels, found.priority) == (("one", "two"), "disabled")
    assert found.resolve(["one"]).urls == ["https://x/one"]


def test_the_forms_of_values() -> None:
    assert CondaSettings({"channel_priority": False}).priority == "disabled"
    assert CondaSettings({"channel_priority": True}).priority == "flexible"
    with pytest.raises(InputError, match="`channel_priority` of conda's settings is `loose`"):
        _ = CondaSettings({"channel_priority": "loose"}).priority


@pytest.mark.parametrize(
    ("text", "value"), [("channels: one", ("one",)), ("channels: one,two", ("one", "two")), ("channels:", ())]
)
def test_channels_may_be_text(tmp_path: Path, text: str, value: Any) -> None:
    assert settings.read(user(tmp_path, **{"home__.condarc": text}), "linux", tmp_path).channels == value


def test_a_wrong_settings_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`custom_channels` of conda's settings is a list, not a map"):
        settings.read(user(tmp_path, **{"home__.condarc": "custom_channels: [x]"}), "linux", tmp_path)


def test_a_broken_settings_file_is_named(tmp_path: Path) -> None:
    environ = user(tmp_path, **{"home__.condarc": "channels: [\n"})
    with pytest.raises(InputError) as caught:
        settings.read(environ, "linux", tmp_path)
    assert caught.value.file == str(tmp_path / "home/.condarc")


def test_defaults_and_groups_of_channels() -> None:
    assert CondaSettings({}).resolve(["defaults", "conda-forge"]).urls == [
        MAIN,
        "https://repo.anaconda.com/pkgs/r",
        "https://conda.anaconda.org/conda-forge",
    ]
    groups = CondaSettings({"default_channels": [MAIN], "custom_multichannels": {"ours": ["a", MAIN]}})
    assert groups.resolve(["ours", "defaults", "nodefaults"]).urls == ["https://conda.anaconda.org/a", MAIN]


def test_credentials_do_not_stay_in_addresses() -> None:
    found = CondaSettings({"channel_alias": "https://ann:a%40b@host:8080"}).resolve(["lab", "https://other/t/tk-1/x"])
    assert found.urls == ["https://host:8080/lab", "https://other/x"]
    assert found.credentials == {
        "host": {"BasicHTTP": {"username": "ann", "password": "a@b"}},
        "other": {"CondaToken": "tk-1"},
    }
    secret = {"CondaToken": "x"}
    given = {
        "channels": ["https://a/t/x/c"],
        "custom_channels": {"lab": "https://b/t/x"},
        "channel_alias": "https://c/t/x",
    }
    assert CondaSettings(given).credentials == {"a": secret, "b": secret, "c": secret}


@pytest.mark.parametrize(
    ("values", "environ", "expected"),
    [
        ({}, {}, {}),
        ({"ssl_verify": "/ca.pem"}, {"SSL_CERT_FILE": "x"}, {"SSL_CERT_FILE": "/ca.pem"}),
        ({"ssl_verify": "true"}, {"REQUESTS_CA_BUNDLE": "y"}, {"SSL_CERT_FILE": "y"}),
        ({"proxy_servers": {"https": "http://proxy:1"}}, {}, {"https_proxy": "http://proxy:1"}),
    ],
)
def test_how_to_connect(values: dict[str, Any], environ: dict[str, str], expected: dict[str, str]) -> None:
    assert CondaSettings(values).variables(environ) == expected


def test_certificates_are_checked_unless_the_settings_say_no() -> None:
    given = (True, "/ca.pem", "true", False, "False")
    assert [CondaSettings({"ssl_verify": each}).verifies for each in given] == [True, True, True, False, False]


# What rattler says


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        (
            "SolverError: Cannot solve the request because of: No candidates were found for nonexist 1.*.\n",
            "no channel has `nonexist 1.*` for this platform.",
            2,
        ),
        (
            "SolverError: Cannot solve the request because of: x cannot be installed:\n└─ x 1.0 would require\n   └─ y",
            "its packages do not fit together. x cannot be installed: x 1.0 would require; y.",
            2,
        ),
        (
            "GatewayError: could not find subdir 'noarch' in channel 'https://h/x/'\nCaused by: (404 Not Found)",
            "there is no channel at `https://h/x/`.",
            2,
        ),
        (
            "GatewayError: HTTP status client error (401 Unauthorized) for url (https://h/x/noarch/repodata.json)",
            "The channel requires credentials, or rejects yours: https://h/x/noarch/repodata.json.",
            3,
        ),
        (
            "GatewayError: HTTP status client error (403 Forbidden) for url (https://h/401/noarch/repodata.json)",
            "The channel denies access: https://h/401/noarch/repodata.json.",
            3,
        ),
        (
            "InstallerError: failed to fetch x-1.0-0.conda\nCaused by: cache.\nCaused by: hash mismatch: got 01",
            "The package `x-1.0-0.conda` from the channel differs from the expected one (by its hash).",
            3,
        ),
        (
            "GatewayError: Request failed\nCaused by: url (https://h/x)\nCaused by: Connection refused (os error 111)",
            "The channel cannot be read: Request failed: url (https://h/x): Connection refused (os error 111).",
            3,
        ),
        ("LinkError: x", "Packages of conda could not be installed: x.", 3),
    ],
)
def test_failures_are_explained(text: str, message: str, code: int) -> None:
    error = faults.explain(*text.split(": ", 1))
    assert (error.message, error.exit_code) == (message, code)
