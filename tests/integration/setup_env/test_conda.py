"""setup-env installs files of conda from a channel on loopback, and kernels run in the activated environment."""

import json
from pathlib import Path

import pytest

from integration.index_server import digest
from integration.setup_env.bills import described
from integration.setup_env.shops import Shop, ask, cache_key, installed
from integration.suite import Done, Workspace, notebook
from notebook_ci.base.conda import this_platform
from servers.conda import Channel, python
from unit.consoles import outputs_in

ENVIRONMENT = """\
channels: [{}]
dependencies:
  - python
  - geo
  - greet=1
  - fastjson
  - pip:
    - -r more.txt
variables:
  WHO: "me"
"""
CONDA = {"fastjson": "1.0 0", "geo": "1.0 0", "greet": "1.0 0", "python": f"{python().version} 0"}
SHOW = "import fast._json, greet, json, os, rich, sys; print(json.dumps([sys.prefix, dict(os.environ)]))"
OF_CONDA = ("PREFIX", "DEFAULT_ENV", "SHLVL")
LOGIN = "ann:s3cret-pass"


def environment(*packages: str, channel: str = "local") -> str:
    return "\n".join([f"channels: [{channel}]", "dependencies:", *(f"- {json.dumps(each)}" for each in packages), ""])


@pytest.fixture
def conda(shop: Shop, channel: Channel) -> Shop:
    """A workspace whose channel `local` is the one on loopback."""
    shop.environ["CONDA_CHANNEL_ALIAS"] = channel.url
    return shop


@pytest.mark.usefixtures("kernel")  # whose packages are then in uv's cache
def test_an_environment_and_a_notebook_in_it(workspace: Workspace, channel: Channel) -> None:
    workspace.write("environment.yml", ENVIRONMENT.format(channel.url))
    workspace.write("more.txt", "rich\n")
    workspace.write("a.ipynb", notebook(SHOW, "!greet"))
    plan = workspace.run("setup-env", flags=["--plan"])
    prefix = workspace.runner_temp / "notebook-ci-venv"
    assert "the packages of `environment.yml` with py-rattler, and its part `pip` with uv, into" in plan.log
    assert f"use the channels `{channel.url}`" in plan.log
    assert not channel.server.asked, "nothing was installed"
    done = workspace.run("setup-env", {"activate": "true"})
    assert done.code == 0, done.log
    assert done.record["conda_packages"] == CONDA
    assert_described(done, channel)
    assert (workspace.base / "github_path").read_text() == f"{prefix}/bin\n"
    variables = outputs_in(workspace.base / "github_env")
    expected = {"GEO_DATA": f"{prefix}/share/geo", "GEO_PATH": f"{prefix}/lib/geo", "WHO": "me"}
    assert variables.items() >= {**expected, "CONDA_PREFIX": str(prefix)}.items()
    assert variables.keys() - expected.keys() == {*(f"CONDA_{each}" for each in OF_CONDA), "NOTEBOOK_CI_PYTHON"}
    assert (installed(done)["greet"], done.record["fixed"]) == ("1.0", False)
    assert {"rich", "ipykernel"} <= installed(done).keys()
    assert "rich" not in done.record["added"]
    assert done.record["read"].keys() == {"environment.yml", "more.txt"}
    assert (prefix / "share/geo/where.txt").read_text() == f"{prefix}/share/geo\n"
    assert list(prefix.glob("lib/python*/site-packages/__pycache__/greet.*.pyc")), "byte-compiled"
    ran = workspace.run("execute-notebook", {}, environ={"GEO_PATH": "/mine", "CONDA_PREFIX": "/other"})
    assert ran.code == 0, ran.log
    shown, greeting = ran.printed("a.ipynb").splitlines()
    there, variables = json.loads(shown)
    assert (there, greeting) == (str(prefix), "hello 1.0")
    expected |= {"GEO_PATH": f"{prefix}/lib/geo:/mine"}
    expected |= {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": str(prefix)}
    assert {name: variables[name] for name in expected} == expected
    assert variables["PATH"].startswith(f"{prefix}/bin:")
    assert ran.notebooks["a.ipynb"]["kernel_start"] == "fork"
    # Scripts that do not work are said, and nothing runs without its variables.
    (prefix / "etc/conda/activate.d/geo.sh").write_text("echo no data >&2\nexit 1\n")
    ran = workspace.run("execute-notebook", {})
    [error] = ran.annotations()
    assert (ran.code, error.message.partition(". ")[0]) == (
        3,
        f"The conda environment `{prefix}` could not be activated: `no data`",
    )


def assert_described(done: Done, channel: Channel) -> None:
    packages, components = described(done)
    assert packages.keys() >= {*CONDA, "rich", "ipykernel"}
    conda = {"origin": "conda", "build": "0", "channel": f"{channel.url}/"}
    for name, subdir in (("geo", this_platform()), ("greet", "noarch")):
        sha256 = digest(channel.path(f"{name}-1.0"))
        expected = {"name": name, "version": "1.0", **conda, "subdir": subdir, "sha256": sha256}
        assert packages[name].items() >= expected.items()
        assert packages[name]["url"] == channel.address(f"{name}-1.0")
        [purl] = [purl for purl, each in components.items() if each["name"] == name]
        assert purl.startswith(f"pkg:conda/{name}@1.0?build=0&channel=127.0.0.1")
        assert purl.endswith(f"&subdir={subdir}&type=conda")
        assert components[purl]["hashes"] == [{"alg": "SHA-256", "content": sha256}]
    rich = packages["rich"]
    assert components[f"pkg:pypi/rich@{rich['version']}"]["licenses"] == [{"license": {"id": "MIT"}}]


def test_a_list_of_urls_is_reused_and_equal_elsewhere(conda: Shop, channel: Channel, tmp_path: Path) -> None:
    workspace, name = conda.workspace, f"conda-{this_platform()}.lock"
    workspace.write(name, channel.explicit("python", "geo", "greet-1.0", "fastjson"))
    done = conda.setup()
    assert (done.code, done.record["fixed"], done.record["conda_packages"]) == (0, True, CONDA), done.log
    assert installed(done) == {"greet": "1.0", "ipykernel": "1.0"}
    [meta] = Path(done.outputs["python"]).parents[1].glob("conda-meta/greet-*.json")
    assert json.loads(meta.read_text())["depends"] == ["python"], "an address does not say it"
    asked = len(channel.server.asked)
    again = conda.setup()
    assert (again.code, again.record["reused"], again.outputs["env-digest"]) == (0, True, done.outputs["env-digest"])
    assert len(channel.server.asked) == asked
    # An edit also changes the cache of py-rattler, where it has a hard link.
    changed = Path(ask(done, "import greet; print(greet.__file__)"))
    changed.write_text("raise SystemExit\n")
    again = conda.setup()
    assert again.annotations("notice")[0].message.startswith("Files in `"), again.log
    assert (again.record["reused"], ask(again, "import greet; print('whole')")) == (False, "whole")
    # Solved in another folder: the same content has the same digest.
    workspace.write(name, environment("python", "geo", "greet=1", "fastjson"))
    workspace.folder.joinpath(name).rename(workspace.folder / "environment.yml")
    elsewhere = str(tmp_path / "elsewhere")
    solved = conda.setup(venv=elsewhere)
    assert (solved.code, solved.outputs["env-digest"]) == (0, done.outputs["env-digest"]), solved.log
    assert not conda.setup(venv=elsewhere).record["reused"], "another ipykernel may be added another time"


def test_an_environment_is_solved_again_and_reused_if_the_packages_are_the_same(conda: Shop) -> None:
    conda.workspace.write("environment.yml", environment("python", "ipykernel", "greet=1"))
    done = conda.setup()
    assert (done.code, done.record["fixed"], done.record["conda_packages"]["greet"]) == (0, False, "1.0 0"), done.log
    assert done.annotations("notice")[0].message == (
        "`environment.yml` does not fix all versions by hash: another day may bring other packages. To fix them, run "
        "`conda-lock --file environment.yml`, and commit `conda-lock.yml`."
    )
    solved = json.loads(next(Path(done.outputs["python"]).parents[1].glob("conda-meta/greet-*.json")).read_text())
    assert solved["depends"] == ["python"], "what solving knows is kept"
    again = conda.setup()
    assert (again.record["reused"], again.outputs["env-digest"]) == (True, done.outputs["env-digest"]), again.log
    assert cache_key(conda).startswith("notebook-ci-env-")
    conda.workspace.write("environment.yml", environment("python", "ipykernel", "greet"))
    newer = conda.setup()
    assert (newer.record["reused"], newer.record["conda_packages"]["greet"]) == (False, "2.0 0"), newer.log
    # The part `pip` is resolved beside packages of conda, which only an installation shows.
    with_pip = environment("python", "ipykernel", "PIP").replace('"PIP"', "{pip: [nbone]}")
    conda.workspace.write("environment.yml", with_pip)
    assert not cache_key(conda)


@pytest.mark.parametrize(
    ("packages", "line", "message"),
    [
        (["nope>=1"], 4, "no channel has `nope >=1` for this platform. Check name and version"),
        (
            ["needs-old", "greet=2"],
            0,
            "its packages do not fit together. needs-old * cannot be installed because there",
        ),
        (["greet=>2"], 4, "`greet=>2` is not valid: unable to parse version spec: =>2. Write `numpy`,"),
        (["none::greet"], 0, "there is no channel at `{url}/none/`. Correct `channels`."),
    ],
)
def test_a_wrong_environment(conda: Shop, channel: Channel, packages: list[str], line: int, message: str) -> None:
    conda.workspace.write("environment.yml", environment("python", *packages))
    done = conda.setup()
    [error] = done.annotations()
    expected = f"`environment.yml` cannot be installed: {message.format(url=channel.url)}"
    assert (done.code, error.message[: len(expected)], error.place) == (2, expected, ("environment.yml", line))
    assert not list((conda.workspace.runner_temp).glob("notebook-ci-venv/bin/*"))


def _in_folder(channel: Channel, listed: str) -> str:
    return listed.replace(channel.url, channel.server.folder.as_uri())


def test_a_wrong_list_of_urls(conda: Shop, channel: Channel) -> None:
    right = channel.explicit("python", "greet-1.0")
    cases = [
        (right[:-3] + "00\n", "", 3, "The package `greet-1.0-0.conda` from the channel differs from the expected one"),
        (_in_folder(channel, right)[:-3] + "00\n", "", 3, "The package `greet-1.0-0.conda` from the channel differs"),
        (right, "3.6", 2, f"`list.txt` has Python {python().version}, but `python-version` is 3.6."),
        (right.replace(this_platform(), "win-64"), "", 2, "`list.txt` is for win-64, but this machine is linux-64."),
        (channel.explicit("greet-1.0"), "", 2, "`list.txt` cannot be installed: it lists no Python, which notebooks"),
        (
            "@EXPLICIT\nhttps://host/noarch/x.zip\n",
            "",
            2,
            "`list.txt` has a line that is not the URL of a package of conda",
        ),
    ]
    for text, version, code, message in cases:
        conda.workspace.write("list.txt", text)
        done = conda.setup(requirements="list.txt", python_version=version)
        assert (done.code, done.annotations()[0].message[: len(message)]) == (code, message)


def test_credentials_of_the_settings(conda: Shop, channel: Channel) -> None:
    channel.server.credentials = LOGIN
    conda.workspace.write("environment.yml", environment("python", "greet"))
    done = conda.setup()
    assert (done.code, done.annotations()[0].message.partition(": ")[0]) == (
        3,
        "The channel requires credentials, or rejects yours",
    )
    settings = conda.workspace.home / ".condarc"
    settings.write_text(f"channel_alias: {channel.url.replace('://', f'://{LOGIN}@')}\n")
    done = conda.setup(environ={"CONDA_CHANNEL_ALIAS": None})
    assert done.code == 0, done.log
    files = [each for each in conda.workspace.runner_temp.rglob("*") if each.is_file() and each.stat().st_size < 10**6]
    password = LOGIN.partition(":")[2]
    assert not [each for each in files if password.encode() in each.read_bytes()]
    assert password not in done.log
