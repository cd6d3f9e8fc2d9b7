"""What is installed of an exported lock, and which groups and extras can be chosen."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from notebook_ci.base import groups, locks
from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.locks import Lock
from notebook_ci.build_image import packages
from notebook_ci.exporting import export
from notebook_ci.exporting.export import HASHED, OTHERS, Exported
from notebook_ci.exporting.protocol import Export
from notebook_ci.records.setup_env import SetupEnvRecord

COMMIT = "0" * 40
INSTALL = "pip install --python P --no-deps"


def put(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def chosen(folder: Path, given: list[str], extras: list[str] | None = None) -> Lock:
    return groups.choose(locks.find("", folder), given, extras or [])


@pytest.mark.parametrize(
    ("line", "hashed", "other"),
    [
        ("a==1 \\\n    --hash=sha256:0", "a==1 --hash=sha256:0", ""),
        ("a==1; os_name == 'nt'", "a==1; os_name == 'nt'", ""),
        ("a @ https://host/a.whl --hash=sha256:0", "a @ https://host/a.whl --hash=sha256:0", ""),
        ("a @ https://host/a.whl", "a @ https://host/a.whl", ""),
        ("a @ file:///w/a.whl --hash=sha256:0", "a @ file:///w/a.whl --hash=sha256:0", ""),
        ("a @ file:///w/pkg", "", "a @ file:///w/pkg"),
        ("-e file:///w/pkg ; python_version > '3'", "", "-e file:///w/pkg ; python_version > '3'"),
        (f"a@ git+https://host/a.git@{COMMIT}", "", f"a@ git+https://host/a.git@{COMMIT}"),
        ("a @ git+https://host/a.git@main", "a @ git+https://host/a.git@main", ""),
        (f"-e git+https://host/a.git@{COMMIT}#egg=a[x]", "", f"a[x] @ git+https://host/a.git@{COMMIT}"),
        (
            f"-e git+ssh://git@host/a.git@{COMMIT}#egg=a&subdirectory=b",
            "",
            f"a @ git+ssh://git@host/a.git@{COMMIT}#subdirectory=b",
        ),
        ("--trusted-host host\n# by a tool\n", "", ""),
    ],
)
def test_what_has_no_hash_and_cannot_change_is_apart(line: str, hashed: str, other: str) -> None:
    split = export._split(line)
    assert (split.hashed.strip(), split.others.strip()) == (hashed, other)


def test_an_index_counts_for_all_and_is_named_once() -> None:
    split = export._split(f"-i https://a/simple\na==1\na @ git+https://h@{COMMIT}\n-i https://a/simple\n")
    assert split.hashed == "-i https://a/simple\na==1\n"
    assert split.others == f"-i https://a/simple\na @ git+https://h@{COMMIT}\n"


def test_hashes_are_required_where_there_can_be_some() -> None:
    def calls(exported: Exported) -> dict[str, str]:
        return {name: " ".join(map(str, call)) for name, call in exported.install_arguments("P")}

    others = {OTHERS: f"{INSTALL} --requirements"}
    hashed = {HASHED: f"{INSTALL} --require-hashes --requirements"}
    assert calls(Exported("a==1\n", "-e file:///w\n")) == hashed | others
    assert calls(Exported()) == {}
    best = {HASHED: f"{INSTALL} --index-strategy unsafe-best-match --require-hashes --requirements"}
    assert calls(Exported("--extra-index-url https://a\na==1\n", "-e file:///w\n")) == best | others


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-e ../lib#egg=lib[x,y] ; os_name == 'a'", "-e file:///w/lib[x,y] ; os_name == 'a'"),
        ("-e ./lib#egg=lib", "-e file:///w/app/lib"),
        ("-e lib", "-e file:///w/app/lib"),
        (".", "file:///w/app"),
        ("./code", "-e file:///w/app/code"),
        ("./a.whl --hash=sha256:0", "file:///w/app/a.whl --hash=sha256:0"),
        ("-e file:///w/lib", "-e file:///w/lib"),
        ("-e git+https://host/a.git@0#egg=a", "-e git+https://host/a.git@0#egg=a"),
        ("a==1 --hash=sha256:0", "a==1 --hash=sha256:0"),
    ],
)
def test_paths_start_at_the_folder_of_the_lock(line: str, expected: str) -> None:
    assert export._with_uris(line, Path("/w/app"), {"./code"}) == expected


def test_an_image_gets_the_exported_files_and_its_own_paths(tmp_path: Path) -> None:
    put(tmp_path, poetry_lock="", pyproject_toml="")
    lock = locks.find("", tmp_path)
    here = f"-e {tmp_path.resolve().as_uri()}/pkg\n"
    found = packages.Packages(lock, exported=Exported("a==1 --hash=sha256:0\n", here))
    assert found.texts() == {HASHED: "a==1 --hash=sha256:0\n", OTHERS: f"-e file://{packages.WORK}/pkg\n"}
    first, second, *_ = found.commands("uv", "/p", "/f")
    assert first.endswith(f"--require-hashes --requirements /p/{HASHED}")
    assert second.endswith(f"--no-deps --requirements /p/{OTHERS}")


@pytest.mark.parametrize("frozen", [True, False])
def test_an_image_may_be_built_from_a_stale_lock_if_its_environment_was(tmp_path: Path, *, frozen: bool) -> None:
    put(tmp_path, poetry_lock="", pyproject_toml="")
    record = SetupEnvRecord(stage="setup-env", lock_file="poetry.lock", packages={"a": "1"}, inputs={"frozen": frozen})
    lock, problems = packages.find("", record, tmp_path).lock, list[Problem]()
    with pytest.raises(InputError, match="no longer matches") if frozen else nullcontext():
        export._raise_problems(lock, "3.12", Export(is_stale=True), problems)
    assert [each.severity for each in problems] == ([] if frozen else ["warning"])
    assert (lock.digest() == locks.find("", tmp_path).digest()) == frozen, "an environment of the other is not reused"


def test_a_stale_lock_is_named_before_what_may_come_of_it(tmp_path: Path) -> None:
    put(tmp_path, poetry_lock="", pyproject_toml="")
    reply = Export(is_stale=True, failures=[InputError("KeyError: x").as_json()])
    with pytest.raises(InputError, match=r"^`poetry.lock` no longer matches its `pyproject.toml`"):
        export._raise_problems(locks.find("", tmp_path), "3.12", reply, [])


@pytest.mark.parametrize(
    ("files", "known"),
    [
        ({"uv_lock": "", "pyproject_toml": "[tool.uv]\ndev-dependencies = []\n"}, "dev"),
        ({"pyproject_toml": "[project]\n[dependency-groups]\nDocs_x = []\n"}, "docs-x"),
        ({"poetry_lock": "", "pyproject_toml": "[tool.poetry.group.docs]\n"}, "docs"),
        ({"poetry_lock": "", "pyproject_toml": "[tool.poetry.dev-dependencies]\na = '*'\n"}, "dev"),
        ({"pdm_lock": "", "pyproject_toml": "[tool.pdm.dev-dependencies]\ntest = []\n"}, "test"),
        ({"Pipfile_lock": "{}", "Pipfile": "[[source]]\n[packages]\n[dev-packages]\n[requires]\n"}, "dev-packages"),
    ],
)
def test_each_kind_of_group_is_known(tmp_path: Path, files: dict[str, str], known: str) -> None:
    put(tmp_path, **files)
    lock = chosen(tmp_path, [known])
    assert lock.groups == (known,)
    assert lock.digest() != locks.find("", tmp_path).digest()
    with pytest.raises(InputError, match=r"`groups` contains `x`, which `P\w+|p\w+\.toml` does not declare") as caught:
        chosen(tmp_path, ["x"])
    assert f"Known: `{known}`." in caught.value.hint


@pytest.mark.parametrize(
    ("files", "given", "extras"),
    [
        ({"requirements_txt": "a\n"}, ["dev"], []),
        ({"pylock_toml": ""}, [], ["dev"]),
        ({"Pipfile_lock": "{}", "Pipfile": "[dev-packages]\n"}, [], ["dev"]),
        ({"pyproject_toml": "[project]\n[dependency-groups]\n'a; b' = []\n"}, ["a; b"], []),
        ({"pyproject_toml": "dependency-groups = 1\n[project]\n"}, ["a"], []),
    ],
)
def test_what_has_no_groups_is_refused(
    tmp_path: Path, files: dict[str, str], given: list[str], extras: list[str]
) -> None:
    put(tmp_path, **files)
    with pytest.raises(InputError, match=r"`(groups|extras)` is set, but `[\w.]+` has no (groups|extras)"):
        chosen(tmp_path, given, extras)


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pdm.lock"])
@pytest.mark.parametrize("text", ["package = 5", "package = ['x']", "[package]\na = 1", "[[package]]\nsource = 'x'"])
def test_a_lock_without_tables_of_packages_is_refused(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, pyproject_toml="")
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        locks.check(locks.find("", tmp_path))
    assert (caught.value.message, caught.value.file) == (f"`{name}` is not a valid lock.", name)


@pytest.mark.parametrize(
    ("name", "text", "lock"),
    [("Pipfile", "[packages]\n", "Pipfile.lock"), ("pyproject.toml", "[tool.poetry]\nname = 'x'\n", "poetry.lock")],
)
def test_a_project_without_its_lock_is_told_how_to_get_it(tmp_path: Path, name: str, text: str, lock: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        locks.check(locks.find("", tmp_path))
    command = "pipenv" if name == "Pipfile" else "poetry"
    assert caught.value.message == f"`{name}` needs its lock, `{lock}`, which does not exist."
    assert caught.value.hint == f"Run `{command} lock`, and commit `{lock}`."


@pytest.mark.parametrize(
    ("name", "beside", "text", "local", "copies"),
    [
        ("poetry.lock", "[tool.poetry]\n", '[package.source]\ntype = "directory"\nurl = "p"\n', True, ["a"]),
        ("poetry.lock", "", 'develop = true\n[package.source]\ntype = "directory"\nurl = "p"\n', True, []),
        ("poetry.lock", "", '[package.source]\ntype = "git"\nurl = "https://h/a"\n', False, []),
        ("poetry.lock", "[build-system]\n", "", True, []),
        ("pdm.lock", "", 'path = "./p"\n', True, ["a"]),
        ("pdm.lock", "", 'path = "./p"\neditable = true\n', True, []),
        ("pdm.lock", "", 'url = "https://h/a.whl"\n', False, []),
        ("Pipfile.lock", "", '{"default": {"a": {"path": "."}}}', True, ["a"]),
        ("Pipfile.lock", "", '{"docs": {"a": {"path": ".", "editable": true}}}', True, []),
        ("Pipfile.lock", "", '{"default": {"a": {"file": "https://h/a.whl"}}}', False, []),
    ],
)
def test_what_needs_the_repository(
    tmp_path: Path, *, name: str, beside: str, text: str, local: bool, copies: list[str]
) -> None:
    (tmp_path / name).write_text(text if name == "Pipfile.lock" else f'[[package]]\nname = "a"\n{text}')
    (tmp_path / ("Pipfile" if name == "Pipfile.lock" else "pyproject.toml")).write_text(beside)
    put(tmp_path, **{"setup.py": ""})
    lock = locks.find(name, tmp_path)
    locks.check(lock)
    assert (lock.builds_local_code, lock.copies, lock.fixes_versions) == (local, copies, not copies)
