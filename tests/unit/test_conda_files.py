"""The files of conda, and its settings."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base import conda, locks
from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError
from notebook_ci.base.workspace import Workspace
from notebook_ci.conda import faults, install, settings
from notebook_ci.conda.install import CondaPlan
from notebook_ci.conda.settings import CondaSettings, separated
from notebook_ci.exporting.worker import _required_by_pixi
from notebook_ci.setup_env.faults import explain
from notebook_ci.setup_env.venv import key

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
NO_ENVIRONMENT = "`environment.yml` is not an environment of conda: it has no `dependencies`"
MAIN = "https://repo.anaconda.com/pkgs/main"
OTHER = "osx-64" if this_platform() != "osx-64" else "linux-64"


def read(folder: Path, text: str) -> conda.EnvironmentFile:
    path = folder / "environment.yml"
    path.write_text(text)
    return conda.read(path, "environment.yml")


def test_an_environment_is_read_with_the_lines_of_its_part_pip(tmp_path: Path) -> None:
    found = read(tmp_path, ENVIRONMENT)
    assert found.channels == ("conda-forge", "defaults")
    assert [(line.number, line.text) for line in found.packages] == [(4, "python=3.11"), (5, "numpy >=2"), (6, "pip")]
    assert [(line.number, line.text) for line in found.pip] == [(8, "-r requirements.txt"), (9, "rich")]
    assert found.pip[0].included == tmp_path / "requirements.txt"
    assert found.variables == {"GREETING": "hello", "COUNT": "3"}


@pytest.mark.parametrize("text", ["", "# later\n", "dependencies:\n", "dependencies: []\nchannels:\n"])
def test_an_environment_may_be_empty(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == conda.EnvironmentFile()


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("- numpy\n", f"{NO_ENVIRONMENT}.", None),
        ("services: {web: {image: x}}\n", f"{NO_ENVIRONMENT}.", None),
        ("dependencies: [a]\ndependencies: [b]\n", "`environment.yml` is not valid YAML: while constructing", 2),
        ("dependencies: &a [*a]\n", "`environment.yml` lists `null`, not a package.", 1),
        ("dependencies:\nvariables: {A=B: x}\n", "`variables` of `environment.yml` contains `A=B`, which", 2),
        ('dependencies:\nvariables: {A: "\\0"}\n', "`variables` of `environment.yml` contains `A`, which", 2),
        ("dependencies: numpy\n", "`dependencies` of `environment.yml` is not a list.", 1),
        ("a: 1\ndependencies:\n  numpy: 2\n", "`dependencies` of `environment.yml` is not a list.", 3),
        ("dependencies:\n- a\n- 1\n", "`environment.yml` lists `1`, not a package.", 3),
        ("dependencies:\n- a\n- numpy: 2\n", '`environment.yml` lists `{"numpy": 2}`, not a package.', 3),
        ("dependencies:\n- pip: rich\n", "`pip` of `environment.yml` is not a list.", 2),
        ("dependencies:\n- pip:\n  - a\n  - [b]\n", '`environment.yml` lists `["b"]`, not a package.', 4),
        ("dependencies:\nchannels: [1]\n", "`environment.yml` lists `1`, not a package.", 2),
        ("dependencies:\nvariables: [x]\n", "`variables` of `environment.yml` is a list, not a map.", None),
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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_an_environment_written_on_windows_is_read(tmp_path: Path, encoding: str) -> None:
    text = ENVIRONMENT.replace("    - rich", "    - |\n      rich\n      httpx").replace("COUNT: 3", "COUNT:")
    (tmp_path / "environment.yml").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    found = conda.read(tmp_path / "environment.yml", "environment.yml")
    assert [(line.number, line.text) for line in found.pip] == [(8, "-r requirements.txt"), (9, "rich"), (9, "httpx")]
    assert ([line.text for line in found.packages], found.variables["COUNT"]) == (
        ["python=3.11", "numpy >=2", "pip"],
        "",
    )


HERE = this_platform()
PIXI = "version: 6\nenvironments:\n  default:\n    packages:\n      {0}:\n      - conda: x\npackages:\n- x: {1}\n"
CONDA_LOCK = "version: 1\nmetadata:\n  platforms:\n  - {0}\n  sources: []\npackage:\n- platform: {1}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
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


IS_FOR = f"`list.txt` is for {OTHER}, but this machine is {HERE}."
NO_URL = "`list.txt` has a line that is not the URL of a package of conda, with or without its hash."


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (f"https://host/a/b/{HERE}/x-1-0.conda#{'0f' * 16}\r\nfile:///c/noarch/y-1-0.tar.bz2", "", None),
        (f"https://host/{HERE}/_x-y.z-1!2-0_h.conda#sha256:{'0F' * 32}", "", None),
        (f"https://host/{OTHER}/x-1-0.conda", IS_FOR, None),
        ("numpy", NO_URL, 3),
        ("./noarch/x-1-0.conda", NO_URL, 3),
        ("https://host/noarch/x.zip", NO_URL, 3),
        ("https://host/noarch/x-1-0.conda#00ff", NO_URL, 3),
        ("https://host/noarch/x-1-0.conda # why", NO_URL, 3),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_list_of_urls_is_read_with_its_platform(
    tmp_path: Path, text: str, message: str, line: int | None, encoding: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(f"# created by conda: https://host/{OTHER}/x\n@EXPLICIT\n{text}\n".encode(encoding))
    with pytest.raises(InputError) if message else nullcontext() as caught:
        assert conda.urls(path, "list.txt") == text.splitlines()
    assert not message or (caught and (caught.value.message, caught.value.line) == (message, line))


def test_what_is_no_list_of_urls() -> None:
    assert not conda.is_explicit("numpy==1 # not @EXPLICIT\n")


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
    assert found.channels == ["near", "far"]
    assert found.priority == "Strict"
    urls, credentials = separated(found.addresses(["near", "lab/label/dev", "x"]))
    assert urls == ["https://near/near", "https://lab.example/conda/lab/label/dev", "https://h/x"]
    assert credentials == {"h": {"BasicHTTP": {"username": "a", "password": "p$$w$ord"}}}
    environ |= {"CONDA_CHANNELS": "one,two", "CONDA_CHANNEL_PRIORITY": "disabled", "CONDA_CHANNEL_ALIAS": "https://x"}
    found = settings.read(environ, "linux", tmp_path)
    assert (found.channels, found.priority) == (["one", "two"], "Disabled")
    assert found.addresses(["one"]) == ["https://x/one"]


@pytest.mark.parametrize(("text", "priority"), [("", "Flexible"), ("true", "Flexible"), ("false", "Disabled")])
def test_the_forms_of_the_priority(tmp_path: Path, text: str, priority: str) -> None:
    environ = user(tmp_path, **{"home__.condarc": f"channel_priority: {text}\n"})
    assert settings.read(environ, "linux", tmp_path).priority == priority


@pytest.mark.parametrize(
    ("text", "value"), [("channels: one", ["one"]), ("channels: one,two", ["one", "two"]), ("channels:", [])]
)
def test_channels_may_be_text(tmp_path: Path, text: str, value: Any) -> None:
    assert settings.read(user(tmp_path, **{"home__.condarc": text}), "linux", tmp_path).channels == value


WRONG = "`{}` of conda's settings has the wrong type."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("custom_channels: [x]", WRONG.format("custom_channels")),
        ("custom_channels: {lab: 3}", WRONG.format("custom_channels.lab")),
        ("proxy_servers: {https: [x]}", WRONG.format("proxy_servers.https")),
        ("channels: [null]", WRONG.format("channels[0]")),
        ("channels: 3", WRONG.format("channels")),
        ("default_channels: {a: b}", WRONG.format("default_channels")),
        ("channel_alias: [x]", WRONG.format("channel_alias")),
        ("channel_priority: loose", "`channel_priority` of conda's settings is `loose`."),
        ("channels: ['http://[x']", "A channel or package has an address that is not a URL: Invalid IPv6 URL."),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "environment.yml").write_text("dependencies: [a]\n")
    with pytest.raises(InputError) as caught:
        planned(tmp_path, "environment.yml", **user(tmp_path, **{"home__.condarc": text}))
    assert caught.value.message == message


def test_paths_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    assert settings.read({"HOME": str(tmp_path), "CONDARC": "x" * 300}, "linux", tmp_path) == CondaSettings()
    (tmp_path / "conda-lock.yml").write_text(f"metadata: {{sources: [{'x' * 300}, '\\0', /none/x]}}\n")
    assert conda.sources(tmp_path / "conda-lock.yml", "conda-lock.yml") == []


def test_a_key_that_is_there_twice_does_not_show_its_value(tmp_path: Path) -> None:
    text = "channel_alias: https://x\nchannel_alias: https://ann:s3cret-pass@x\n"
    with pytest.raises(InputError, match=r'found duplicate key "channel_alias"\.$'):
        settings.read(user(tmp_path, **{"home__.condarc": text}), "linux", tmp_path)


def test_a_broken_settings_file_is_named(tmp_path: Path) -> None:
    environ = user(tmp_path, **{"home__.condarc": "channels: [\n"})
    with pytest.raises(InputError) as caught:
        settings.read(environ, "linux", tmp_path)
    assert caught.value.file == str(tmp_path / "home/.condarc")


def test_the_channel_defaults() -> None:
    assert CondaSettings().addresses(["defaults", "conda-forge"]) == [
        MAIN,
        "https://repo.anaconda.com/pkgs/r",
        "https://conda.anaconda.org/conda-forge",
    ]
    assert CondaSettings(default_channels=["defaults", MAIN]).addresses(["defaults", "nodefaults"]) == [
        "https://conda.anaconda.org/defaults",
        MAIN,
    ]


def test_credentials_do_not_stay_in_addresses() -> None:
    given = ["https://ann:a%40b@host:8080/lab", "https://other/t/tk-1/x", f"https://more/t/tk/{HERE}/x-1-0.conda#00ff"]
    assert separated(given) == (
        ["https://host:8080/lab", "https://other/x", f"https://more/{HERE}/x-1-0.conda#00ff"],
        {
            "host": {"BasicHTTP": {"username": "ann", "password": "a@b"}},
            "other": {"CondaToken": "tk-1"},
            "more": {"CondaToken": "tk"},
        },
    )


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
    assert CondaSettings(**values).variables(environ) == expected


def test_certificates_are_checked_unless_the_settings_say_no() -> None:
    given = ("/ca.pem", "true", "false", "False")
    assert [CondaSettings(ssl_verify=each).verifies for each in given] == [True, True, False, False]


# What is installed


def planned(folder: Path, name: str, python: str = "", **environ: str) -> CondaPlan:
    environ = {"HOME": str(folder / "home"), **environ}
    return install.plan(locks.find(name, folder), python, Workspace(folder, environ))


def test_credentials_are_neither_in_channels_nor_in_packages(tmp_path: Path) -> None:
    environ = user(tmp_path, **{"home__.condarc": "channel_alias: https://ann:s3cret@alias\n", "auth": '{"x": {}}'})
    environ["RATTLER_AUTH_FILE"] = str(tmp_path / "auth")
    (tmp_path / "environment.yml").write_text(
        "channels: [lab]\ndependencies: ['https://h/t/tk-1/c::numpy>=2', 'nodefaults::a']\n"
    )
    (tmp_path / "list.txt").write_text(
        "@EXPLICIT\nhttps://h/t/tk-1/noarch/python-3.11.7-0.conda#00\n".replace("00", "0" * 64)
    )
    solved, listed = planned(tmp_path, "environment.yml", **environ), planned(tmp_path, "list.txt", **environ)
    assert solved.installation.channels == ["https://alias/lab", "https://h/c"]
    assert solved.installation.packages == ["https://h/c::numpy>=2", "nodefaults::a", "python"]
    assert listed.installation.urls == [f"https://h/noarch/python-3.11.7-0.conda#{'0' * 64}"]
    for each in (solved, listed):
        user_of_alias = {"BasicHTTP": {"username": "ann", "password": "s3cret"}}
        expected = {"x": {}, "alias": user_of_alias, "h": {"CondaToken": "tk-1"}}
        assert each.installation.credentials == expected


def test_stored_credentials_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\n")
    (tmp_path / "auth").write_text("[")
    with pytest.raises(InputError, match=r"^The file of `RATTLER_AUTH_FILE` is not valid YAML"):
        planned(tmp_path, "environment.yml", RATTLER_AUTH_FILE=str(tmp_path / "auth"))


@pytest.mark.parametrize(
    ("package", "python", "message"),
    [
        ("python-3.11.7-0", "", ""),
        ("python-3.11.7-0", "3.11", ""),
        ("python-3.11.7-0", "3.1", "`list.txt` has Python 3.11.7, but `python-version` is 3.1."),
        (
            "python-3.11.7-0.conda\nhttps://host/noarch/python-3.12.1-0",
            "",
            "`list.txt` lists a package more than once.",
        ),
        ("python_abi-3.11-0", "", "`list.txt` cannot be installed: it lists no Python, which notebooks need."),
    ],
)
def test_a_list_must_have_the_python(tmp_path: Path, package: str, python: str, message: str) -> None:
    (tmp_path / "list.txt").write_text(f"@EXPLICIT\nhttps://host/noarch/{package}.conda\n")
    with pytest.raises(InputError) if message else nullcontext() as caught:
        planned(tmp_path, "list.txt", python)
    assert not message or (caught and caught.value.message == message)


def test_an_environment_is_not_reused_for_another_python(tmp_path: Path) -> None:
    (tmp_path / "pixi.lock").touch()
    (tmp_path / "pixi.toml").touch()
    lock = locks.find("pixi.lock", tmp_path)
    assert len({key(lock, None, version) for version in ("", "3.11", "3.12")}) == 3


def test_the_line_of_a_requirement_in_a_sub_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "constraints.txt").touch()
    text = "dependencies:\n- pip:\n  - -c ../constraints.txt\n  - a\n  - ???\n"
    (tmp_path / "sub" / "environment.yml").write_text(text)
    output = "Couldn't parse requirement in `-` at position 26\n  cause: Expected a name\n"
    error = explain(output, locks.find("sub/environment.yml", tmp_path))
    assert error
    assert (error.message, error.file, error.line) == (
        "A requirement is not valid: Expected a name.",
        "sub/environment.yml",
        5,
    )


MANIFEST = """[project]
dependencies = ["Rich>=1", "old; python_version < '3'"]
[tool.pixi.dependencies]
Python = ">=3"
[tool.pixi.pypi-dependencies]
own = {{ path = "." }}
[tool.pixi.target.{}.dependencies]
geo = {{ version = "1.*" }}
[tool.pixi.target.other.dependencies]
none = "*"
[tool.pixi.feature.plots.dependencies]
seaborn = "*"
[tool.pixi.feature.test.dependencies]
none = "*"
[tool.pixi.environments]
default = {}
"""


@pytest.mark.parametrize("default", ['["plots"]', '{ features = ["plots"] }'])
def test_what_the_default_environment_of_pixi_needs(tmp_path: Path, default: str) -> None:
    (tmp_path / "pyproject.toml").write_text(MANIFEST.format(HERE, default))
    conda, pypi = _required_by_pixi(tmp_path)
    assert conda == {"python": ">=3", "geo": "1.*", "seaborn": "*"}
    assert pypi == {"rich": "*", "own": "*"}


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
        (
            "GatewayError: error sending request for url (https://h/x)\nCaused by: client error (Connect): dns error",
            "The channel cannot be reached: https://h/x.",
            3,
        ),
        ("LinkError: x", "Packages of conda could not be installed: x.", 3),
    ],
)
def test_failures_are_explained(text: str, message: str, code: int) -> None:
    error = faults.explain(*text.split(": ", 1))
    assert (error.message, error.exit_code) == (message, code)
