"""The locks of Poetry, PDM and Pipenv are exported by these tools and installed from the index on loopback.

The locks beside this file were written by the tools themselves; they name no index.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.index_server import make_wheel
from integration.local_package import local_package
from integration.refusals import Case, assert_nothing_was_done, assert_refused
from integration.setup_env.shops import EDITABLE, ONE, Shop, ask, installed
from integration.suite import PROJECT, ROOT

LOCKS = Path(__file__).with_name("locks")


@dataclass(frozen=True)
class Tool:
    """A tool, the names of its files, and how its lock has a package at a path or of a git commit."""

    name: str
    lock: str
    project: str
    dev: str  # the group that has nbdev
    of_path: str
    of_git: str


POETRY = Tool(
    "poetry",
    "poetry.lock",
    "pyproject.toml",
    "dev",
    '[package.source]\ntype = "directory"\nurl = "pkg"\n',
    '[package.source]\ntype = "git"\nurl = "{url}"\nreference = "HEAD"\nresolved_reference = "{commit}"\n',
)
PDM = Tool(
    "pdm",
    "pdm.lock",
    "pyproject.toml",
    "dev",
    'path = "./pkg"\n',
    'git = "{url}"\nrevision = "{commit}"\nref = "HEAD"\n',
)
PIPENV = Tool(
    "pipenv", "Pipfile.lock", "Pipfile", "dev-packages", '{"path": "./pkg"}', '{"git": "{url}", "ref": "{commit}"}'
)
HASH_OF_OLD_PDM = "01a661e0831988c3c904aa49a4218fe5b145bff9e777421a4b74dbd2f670996e"
TOOLS = [POETRY, PDM, PIPENV]
each_tool = pytest.mark.parametrize("tool", TOOLS, ids=[tool.name for tool in TOOLS])


@pytest.fixture
def lay(shop: Shop) -> Callable[[Tool], Path]:
    """Return a function that lays the project of a tool into the workspace and returns the path of its lock."""
    for name in ("nbdev", "nbextra"):
        make_wheel(shop.index.folder, name)

    def laid(tool: Tool) -> Path:
        shutil.copytree(LOCKS / tool.name, shop.workspace.folder, dirs_exist_ok=True)
        return shop.workspace.folder / tool.lock

    return laid


def add(lock: Path, source: str) -> None:
    """Add the package `local` to a lock, as its tool writes it."""
    text = lock.read_text()
    if lock.name == "Pipfile.lock":
        content = json.loads(text)
        content["default"]["local"] = json.loads(source)
        lock.write_text(json.dumps(content))
        return
    package = '[[package]]\nname = "local"\nversion = "1"\ngroups = ["default"]\n'
    if lock.name == "poetry.lock":
        package = package.replace("default", "main") + 'optional = false\npython-versions = "*"\nfiles = []\n'
    lock.write_text(text.replace("[[package]]", f"{package}{source}\n[[package]]", 1))


@each_tool
def test_main_dependencies_are_installed_with_their_hashes(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    lay(tool)
    before = sorted(path.name for path in shop.workspace.folder.iterdir())
    done = shop.setup(venv=str(shop.workspace.base / "venv"))
    assert done.code == 0, done.log
    assert installed(done) == ONE, "neither a group nor nbtwo, whose marker is for another platform"
    assert done.outputs["lock-file"] == tool.lock
    name, *_ = done.record["created"]
    exported = (shop.workspace.runner_temp / "notebook-ci" / name).read_text()
    assert shop.hashed("nbone").split()[1] in exported
    assert set(done.record["read"]) == {tool.lock, tool.project}
    assert sorted(path.name for path in shop.workspace.folder.iterdir()) == before, "nothing in the workspace changes"
    again = shop.setup(venv=str(shop.workspace.base / "venv"))
    assert "Reusing" in again.log
    assert "Exporting" not in again.log


@each_tool
def test_groups_and_extras_are_added_and_change_the_environment(
    shop: Shop, lay: Callable[[Tool], Path], tool: Tool
) -> None:
    lay(tool)
    assert installed(shop.setup()) == ONE
    groups, extras = (f"{tool.dev}\ndocs", "") if tool is PIPENV else ("Dev", "more")
    done = shop.setup(groups=groups, extras=extras)
    assert done.code == 0, done.log
    assert installed(done) == {**ONE, "nbdev": "1.0", "nbextra": "1.0"}
    assert installed(shop.setup()) == ONE, "an environment with more is not reused"


@each_tool
def test_a_group_that_does_not_exist_is_refused_before_any_work(
    shop: Shop, lay: Callable[[Tool], Path], tool: Tool
) -> None:
    lay(tool)
    message = f"`groups` contains `{tool.dev}s`, which `{tool.project}` does not declare. Did you mean `{tool.dev}`?"
    case = Case({}, message)
    assert_refused(shop.setup(groups=f"{tool.dev}s"), case, message)
    assert_nothing_was_done(shop.workspace, "setup-env")


@each_tool
def test_a_stale_lock_is_refused_or_warned_of(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    lock = lay(tool)
    project = lock.with_name(tool.project)
    project.write_text(project.read_text().replace('nbone = "*"', 'nbone = ">=1"').replace('"nbone"', '"nbone>=1"'))
    message = f"`{tool.lock}` no longer matches its `{tool.project}`. "
    hint = f"Run `{tool.name} lock`, and commit the new `{tool.lock}`."
    assert_refused(shop.setup(), Case({}, message + hint, place=(tool.lock, 0)), message + hint)
    done = shop.setup(frozen="false")
    assert (done.code, installed(done)) == (0, ONE), done.log
    [warning] = done.annotations("warning")
    assert warning.message == f"{message}It is installed as it is, because `frozen` is `false`. {hint}"


def test_a_lock_of_an_old_pdm_is_not_stale(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    """PDM 2.8 to 2.12 (lock version 4.4) have another hash; the newest PDM calls such a lock stale."""
    lock = lay(PDM)
    text = re.sub(r'content_hash = ".*"', f'content_hash = "sha256:{HASH_OF_OLD_PDM}"', lock.read_text())
    lock.write_text(text)
    newer = shop.setup()
    assert (newer.code, "no longer matches" in newer.log) == (2, True), newer.log
    lock.write_text(re.sub('lock_version = ".*"', 'lock_version = "4.4.1"', text))
    done = shop.setup()
    assert (done.code, installed(done)) == (0, ONE), done.log
    project = lock.with_name("pyproject.toml")
    project.write_text(project.read_text().replace('"nbone"', '"nbone>=1"'))
    stale = shop.setup()
    assert (stale.code, "no longer matches" in stale.log) == (2, True), stale.log


@each_tool
def test_a_changed_hash_is_refused(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    lock = lay(tool)
    lock.write_text(lock.read_text().replace(shop.hashed("nbone").strip()[-20:], "0" * 20))
    done = shop.setup()
    assert done.code == 3
    assert "differs from the one in the lock (by its hash)" in done.annotations()[0].message


@each_tool
@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n", '{"default": {"nbone": "*"}}'])
def test_a_broken_lock_is_refused(shop: Shop, lay: Callable[[Tool], Path], tool: Tool, text: str) -> None:
    lay(tool).write_text(text)
    done = shop.setup()
    assert (done.code, done.annotations()[0].properties["file"]) == (2, tool.lock)
    assert "Traceback" not in done.log
    assert "Exporting" not in done.log


@each_tool
def test_a_lock_that_its_tool_cannot_read_is_refused(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    lock = lay(tool)
    old, new = {
        "poetry": ('lock-version = "2.1"', 'lock-version = "9"'),
        "pdm": ('marker = "', 'marker = "('),
        "pipenv": ('"hashes": [', '"hashes": 1, "x": ['),
    }[tool.name]
    lock.write_text(lock.read_text().replace(old, new))
    done = shop.setup()
    assert done.code == 2, done.log
    assert f"cannot export `{tool.lock}`" in done.annotations()[0].message
    assert "Traceback" not in done.log


@each_tool
def test_a_lock_without_its_project_is_refused(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    lay(tool).with_name(tool.project).unlink()
    message = f"`{tool.lock}` has no `{tool.project}` next to it. Commit the `{tool.project}` that it was created from."
    assert_refused(shop.setup(), Case({}, message, place=(tool.lock, 0)), message)


@each_tool
def test_a_package_without_a_hash_is_refused(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    lock = lay(tool)
    source = '{"version": "==1"}' if tool is PIPENV else ""
    add(lock, source)
    done = shop.setup()
    assert done.code == 2, done.log
    assert "not for every package: local==1 has none" in done.annotations()[0].message


@each_tool
def test_code_of_the_repository_is_installed_as_it_is_now(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    local_package(shop.workspace, "one")
    add(lay(tool), tool.of_path)
    for text in ("one", "two"):
        local_package(shop.workspace, text)
        done = shop.setup()
        assert done.code == 0, done.log
        assert installed(done) == {**ONE, "local": "1"}
        assert ask(done, "import local; print(local.CODE)") == text
    assert done.record["fixed"] is False


@each_tool
def test_editable_code_beside_the_project_is_used_where_it_is(
    shop: Shop, lay: Callable[[Tool], Path], tool: Tool
) -> None:
    lib = shop.workspace.base / "lib"
    (lib / "src" / "study").mkdir(parents=True)
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (lib / "pyproject.toml").write_text(f'{build}[project]\nname = "study"\nversion = "1"\n')
    (lib / "backend.py").write_text(EDITABLE)
    source = tool.of_path.replace("./pkg", "../lib").replace('"pkg"', '"../lib"')
    editable = {"poetry": f"develop = true\n{source}", "pdm": f"{source}editable = true\n"}
    add(lay(tool), editable.get(tool.name, '{"path": "../lib", "editable": true}'))
    for text in ("one", "two"):
        (lib / "src" / "study" / "__init__.py").write_text(f"NAME = {text!r}\n")
        done = shop.setup()
        assert done.code == 0, done.log
        assert done.record["reused"] is (text == "two")
        assert ask(done, "import study; print(study.NAME)") == text


@each_tool
def test_a_lock_without_a_package_for_this_platform_is_refused(
    shop: Shop, lay: Callable[[Tool], Path], tool: Tool
) -> None:
    lock = lay(tool)
    name = "marker" if tool is PDM else "markers"
    found, added = 'name = "nbone"\nversion = "1.0"\n', f"{name} = \"sys_platform == 'win32'\"\n"
    if tool is PIPENV:
        found, added = '"nbone": {', '"markers": "sys_platform == \'win32\'",'
    text = lock.read_text()
    assert found in text
    lock.write_text(text.replace(found, found + added))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = shop.setup(python_version=version)
    assert done.code == 2, done.log
    assert f"No package of `{tool.lock}` is for Python {version}." in done.log
    assert not done.outputs.get("python")


def test_a_lock_from_which_nothing_is_chosen_is_warned_of(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    lock = lay(PIPENV)
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "default": {}}))
    done = shop.setup()
    assert (done.code, installed(done)) == (0, {"ipykernel": "1.0"}), done.log
    assert "Nothing was installed from `Pipfile.lock`." in done.annotations("warning")[0].message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('strategy = ["inherit_metadata"]', "strategy = []", "it does not say for which groups and platforms"),
        ('groups = ["default", "dev", "more"]', 'groups = ["default"]', "it does not contain `dev`."),
    ],
)
def test_a_pdm_lock_that_lacks_information_is_refused(
    shop: Shop, lay: Callable[[Tool], Path], old: str, new: str, reason: str
) -> None:
    lock = lay(PDM)
    assert old in lock.read_text()
    lock.write_text(lock.read_text().replace(old, new))
    done = shop.setup(groups="dev")
    assert done.code == 2, done.log
    assert done.annotations()[0].message.startswith(f"PDM cannot export `pdm.lock`: {reason}")


def test_a_password_in_a_lock_is_not_kept(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    lock = lay(PIPENV)
    content = json.loads(lock.read_text())
    url = shop.index.url().replace("://", "://user:s3cret@")
    content["_meta"]["sources"] = [{"name": "pypi", "url": url, "verify_ssl": True}]
    lock.write_text(json.dumps(content))
    done = shop.setup()
    assert (done.code, installed(done)) == (0, ONE), done.log
    name, *_ = done.record["created"]
    folder = shop.workspace.runner_temp / "notebook-ci"
    assert url.replace("user:s3cret@", "") in (folder / name).read_text()
    assert not [path for path in folder.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


def test_what_a_lock_lacks_is_warned_of(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    local_package(shop.workspace, "one")
    backend = shop.workspace.folder / "pkg" / "backend.py"
    backend.write_text(backend.read_text().replace("Version: 1\\n", "Version: 1\\nRequires-Dist: nbthree\\n"))
    add(lay(PDM), PDM.of_path)
    done = shop.setup()
    assert done.code == 0, done.log
    (warning,) = done.annotations("warning")
    assert "The packages of `pdm.lock` do not fit together. The package `local` requires `nbthree`" in warning.message


@pytest.mark.parametrize("tool", [POETRY, PDM], ids=["poetry", "pdm"])
def test_the_project_itself_is_installed_if_it_is_a_package(
    shop: Shop, lay: Callable[[Tool], Path], tool: Tool
) -> None:
    project = lay(tool).with_name("pyproject.toml")
    text = project.read_text().replace("package-mode = false\n", "").replace("distribution = false\n", "")
    backend = "poetry.core.masonry.api" if tool is POETRY else "backend"
    project.write_text(f'{text}\n[build-system]\nrequires = []\nbuild-backend = "{backend}"\nbackend-path = ["."]\n')
    if tool is POETRY:
        done = shop.setup()
        assert installed(done) == ONE
        assert "not the project: neither `study` nor `src/study` is its code" in done.log
        assert shop.setup().record["reused"]
        project.write_text(project.read_text().replace("poetry.core.masonry.api", "backend"))
    shop.workspace.write("backend.py", EDITABLE)
    shop.workspace.write("src/study/__init__.py", "NAME = 'one'\n")
    done = shop.setup()
    assert done.code == 0, done.log
    assert installed(done) == {**ONE, "study": "1"}
    assert ask(done, "import study; print(study.NAME)") == "one"


@each_tool
def test_a_git_commit_is_installed(shop: Shop, lay: Callable[[Tool], Path], tool: Tool) -> None:
    local_package(shop.workspace, "one")
    repository = shop.workspace.base / "repository"
    shutil.move(shop.workspace.folder / "pkg", repository)
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    source = tool.of_git.replace("{url}", repository.as_uri()).replace("{commit}", commit)
    add(lay(tool), source)
    done = shop.setup()
    assert done.code == 0, done.log
    assert ask(done, "import local; print(local.CODE)") == "one"
    assert done.record["fixed"] is True


def test_a_lock_for_another_python_does_not_give_an_empty_environment(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    lock = lay(POETRY)
    project = lock.with_name("pyproject.toml")
    project.write_text(project.read_text().replace("^3.11", ">=3.99"))
    ask_poetry = (
        "from pathlib import Path; from poetry.factory import Factory\n"
        "print(Factory().create_poetry(Path(), disable_plugins=True).locker._content_hash)"
    )
    launch = ["bash", str(ROOT / "scripts" / "launch.sh"), "--env", "poetry", "--exec", "python", "-c", ask_poetry]
    environ = {name: value for name, value in shop.workspace.environ.items() if value}
    asked = subprocess.run(launch, cwd=lock.parent, env=environ, capture_output=True, text=True, check=True)
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("content-hash")]
    lock.write_text("\n".join([*lines, f'content-hash = "{asked.stdout.strip()}"\n']))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = shop.setup(python_version=version)
    assert done.code == 2, done.log
    assert f"`poetry.lock` is for Python >=3.99, but the environment's Python is {version}" in done.log


# Hostile repositories


def plugin(folder: Path, group: str, canary: Path) -> None:
    """Write an installed distribution whose entry point leaves a trace when it is loaded."""
    (folder / "evil-1.dist-info").mkdir(parents=True)
    (folder / "evil.py").write_text(f"open({str(canary)!r}, 'w').close()\n\ndef evil(*_):\n    pass\n")
    (folder / "evil-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (folder / "evil-1.dist-info" / "entry_points.txt").write_text(f"[{group}]\nevil = evil:evil\n")


def run_tool(shop: Shop, *command: str, **environ: str) -> None:
    """Run a tool itself, as its user would."""
    launch = ["bash", str(ROOT / "scripts" / "launch.sh"), "--env", command[0], "--exec", *command]
    own = {name: value for name, value in shop.workspace.environ.items() if value}
    subprocess.run(launch, cwd=shop.workspace.folder, env={**own, **environ}, capture_output=True, check=False)


def assert_trap_is_passed_by(shop: Shop, canary: Path, **environ: str) -> None:
    assert canary.exists(), "the tool itself walks into the trap"
    canary.unlink()
    done = shop.setup(environ=environ)
    assert done.code == 0, done.log
    assert installed(done) == ONE
    assert not canary.exists()


def test_plugins_of_a_poetry_project_are_not_run(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    lock, canary = lay(POETRY), shop.workspace.base / "canary"
    project = lock.with_name("pyproject.toml")
    with project.open("a") as file:
        file.write('\n[tool.poetry.requires-plugins]\nevil = ">=1"\n')
    plugin(shop.workspace.folder / ".poetry" / "plugins", "poetry.application.plugin", canary)
    shop.workspace.write("poetry.toml", f'cache-dir = "{shop.workspace.folder}/cache"\n')
    run_tool(shop, "poetry", "about")
    assert_trap_is_passed_by(shop, canary)
    assert not (shop.workspace.folder / "cache").exists()


def test_plugins_and_scripts_of_a_pdm_project_are_not_run(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    lock, canary = lay(PDM), shop.workspace.base / "canary"
    with lock.with_name("pyproject.toml").open("a") as file:
        file.write(f'\n[tool.pdm.scripts]\npre_lock = "touch {canary}"\n_.env_file = ".env"\n')
    where = "from pdm.core import Core; print(Core().create_project().project_plugins_dir)"
    launch = ["bash", str(ROOT / "scripts" / "launch.sh"), "--env", "pdm", "--exec", "python", "-c", where]
    cache = {"PDM_CACHE_DIR": str(shop.workspace.folder / "cache")}
    environ = {name: value for name, value in shop.workspace.environ.items() if value}
    asked = subprocess.run(
        launch, cwd=lock.parent, env={**environ, **cache}, capture_output=True, text=True, check=True
    )
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    plugin(Path(asked.stdout.strip()) / "lib" / version / "site-packages", "pdm", canary)
    run_tool(shop, "pdm", "--version", **cache)
    assert_trap_is_passed_by(shop, canary, **cache)


def test_variables_and_modules_of_a_pipenv_project_are_not_used(shop: Shop, lay: Callable[[Tool], Path]) -> None:
    lay(PIPENV)
    canary = shop.workspace.base / "canary"
    other = shop.workspace.base / "other"
    shutil.copytree(LOCKS / "pipenv", other)
    (other / "Pipfile.lock").write_text("broken")
    shop.workspace.write(".env", f"PIPENV_PIPFILE={other}/Pipfile\n")
    for name in ("pipenv", "sitecustomize", "notebook_ci"):
        shop.workspace.write(f"{name}.py", f"open({str(canary)!r}, 'w').close()\n")
    done = shop.setup(environ={"PIPENV_PIPFILE": f"{other}/Pipfile"})
    assert done.code == 0, done.log
    assert installed(done) == ONE
    assert not canary.exists()


# Groups of other files


def test_groups_and_extras_of_a_project_without_and_with_a_lock(shop: Shop) -> None:
    for name in ("nbdev", "nbextra"):
        make_wheel(shop.index.folder, name)
    groups = '[project.optional-dependencies]\nmore = ["nbextra"]\n[dependency-groups]\nextra_dev = ["nbdev"]\n'
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone"') + groups)
    every = {**ONE, "nbdev": "1.0", "nbextra": "1.0"}
    assert installed(shop.setup()) == ONE
    assert installed(shop.setup(groups="extra_dev", extras="more")) == every
    shop.uv("lock")
    assert installed(shop.setup()) == ONE
    assert installed(shop.setup(groups="extra-dev", extras="more")) == every


def test_a_requirements_file_has_no_groups(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "nbone\n")
    for what in ("groups", "extras"):
        message = f"`{what}` is set, but `requirements.txt` has no {what}. Remove `{what}`,"
        done = shop.workspace.run("setup-env", {what: "dev"}, environ=shop.environ)
        assert_refused(done, Case({}, message, place=("requirements.txt", 0)), message)
