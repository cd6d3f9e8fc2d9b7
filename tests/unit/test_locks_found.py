import os
from pathlib import Path

import pytest

from notebook_ci.base import locks
from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError
from notebook_ci.base.locks import Lock, LockKind

HASHED = "numpy==2.0.0 \\\n    --hash=sha256:abc\n"


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    return tmp_path


def put(cwd: Path, *names: str, text: str = "numpy\n") -> None:
    for name in names:
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        (cwd / name).write_text(text, encoding="utf-8")


def refused(given: str, cwd: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        locks.find(given, cwd)
    return caught.value


def searched(cwd: Path) -> tuple[Lock, list[str]]:
    found = locks.search(cwd)
    assert found
    return found.lock, found.others


@pytest.mark.parametrize(
    ("name", "text", "kind", "fixes"),
    [
        ("uv.lock", "", "uv.lock", True),
        ("pylock.toml", "", "pylock", True),
        ("requirements.txt", HASHED, "hashed", True),
        ("requirements.txt", "numpy==2.0.0\n", "plain", False),
        ("requirements-ci.txt", "numpy\n", "plain", False),
        ("pyproject.toml", "[project]\n", "pyproject", False),
        ("setup.py", "", "setup", False),
        ("environment.yml", "", "conda", False),
        ("conda.yaml", "", "conda", False),
        (f"conda-{this_platform()}.lock", "# platform: x\n@EXPLICIT\n", "explicit", True),
        ("requirements.txt", "@EXPLICIT\nhttps://host/noarch/x-1-0.conda\n", "explicit", True),
    ],
)
def test_each_kind_is_found(cwd: Path, name: str, text: str, kind: LockKind, *, fixes: bool) -> None:
    put(cwd, name, text=text)
    lock, others = searched(cwd)
    assert (lock, others) == (Lock(cwd, cwd / name, kind), [])
    assert lock.fixes_versions is fixes
    assert locks.find(name, cwd) == locks.find("", cwd) == lock


def test_what_fixes_versions_comes_first_and_the_others_are_named(cwd: Path) -> None:
    of_tools = ["poetry.lock", "pdm.lock", "Pipfile.lock"]
    order = ["uv.lock", "pylock.toml", *of_tools, "requirements.txt", "pyproject.toml"]
    put(cwd, *order, text="[project]\n")
    while order:
        lock, others = searched(cwd)
        own = {path.name for path in lock.files()}  # a lock belongs to its project
        assert (lock.name, others) == (order[0], [name for name in order[1:] if name not in own])
        (cwd / order.pop(0)).unlink()


def test_of_several_requirements_files_the_usual_name_is_the_one(cwd: Path) -> None:
    put(cwd, "requirements-dev.txt", "requirements.txt", "requirements_docs.txt")
    lock, others = searched(cwd)
    assert (lock.name, others) == ("requirements.txt", ["requirements-dev.txt", "requirements_docs.txt"])


def test_several_requirements_files_of_other_names_are_not_guessed(cwd: Path) -> None:
    put(cwd, "requirements-b.txt", "requirements-a.txt", "pyproject.toml")
    error = refused("", cwd)
    assert error.message == "Several files could say what to install: `requirements-a.txt`, `requirements-b.txt`."
    assert error.hint == "Set `requirements` to one of them."
    assert locks.find("requirements-b.txt", cwd).name == "requirements-b.txt"


def test_several_requirements_files_do_no_harm_beside_a_lock(cwd: Path) -> None:
    put(cwd, "requirements-b.txt", "requirements-a.txt", "uv.lock")
    lock, others = searched(cwd)
    assert (lock.name, others) == ("uv.lock", ["requirements-a.txt", "requirements-b.txt"])


def test_a_folder_of_such_a_name_is_no_lock(cwd: Path) -> None:
    (cwd / "requirements.txt").mkdir()
    assert "No file says" in refused("", cwd).message


def test_a_byte_order_mark_does_no_harm(cwd: Path) -> None:
    (cwd / "requirements.txt").write_bytes(b"\xef\xbb\xbf-r base.txt\n")
    lock = locks.find("", cwd)
    assert (lock.kind, lock.files()) == ("plain", [cwd / "requirements.txt", cwd / "base.txt"])


UNMARKED = "`requirements.txt` is not UTF-8 text, and not UTF-16 with a byte order mark."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"numpy # \xe9\n", "`requirements.txt` is not UTF-8 text."),
        ("numpy".encode("utf-16-le"), UNMARKED),
        ("numpy".encode("utf-16-be"), UNMARKED),
        ("numpy".encode("utf-32"), UNMARKED),
        (b"\xff\xfen\0u\0m", UNMARKED),
    ],
)
def test_another_encoding_is_refused(cwd: Path, data: bytes, message: str) -> None:
    (cwd / "requirements.txt").write_bytes(data)
    error = refused("", cwd)
    assert (error.message, error.hint, error.file) == (message, "Save it as UTF-8.", "requirements.txt")


@pytest.mark.parametrize(
    ("name", "lock", "command"), [("Pipfile", "Pipfile.lock", "pipenv lock"), ("pixi.toml", "pixi.lock", "pixi lock")]
)
def test_files_that_need_a_lock_are_refused(cwd: Path, name: str, lock: str, command: str) -> None:
    put(cwd, name)
    for error in (refused("", cwd), refused(name, cwd)):
        assert error.message == f"`{name}` needs its lock, `{lock}`, which does not exist."
        assert error.hint == f"Run `{command}`, and commit `{lock}`."
    put(cwd, "pyproject.toml")
    assert lock in refused("", cwd).message, "the project is not installed without its lock"
    put(cwd, "requirements.txt")
    assert locks.find("", cwd).name == "requirements.txt"
    (cwd / "requirements.txt").unlink()
    assert locks.find("pyproject.toml", cwd).name == "pyproject.toml", "unless it is named"


def test_nothing_to_install_from_says_what_is_looked_for(cwd: Path) -> None:
    error = refused("", cwd)
    assert "`uv.lock`, `pylock.toml`, `poetry.lock`, `pdm.lock`, `Pipfile.lock`, `requirements*.txt`" in error.message
    assert "`pip list --format=freeze > requirements.txt`" in error.hint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("none.txt", "`requirements` is `none.txt`, which does not exist."),
        ("sub", "is a folder"),
        ("none/requirements.txt", "does not exist"),
        ("sub/data.csv", "which setup-env cannot install from"),
        ("x" * 300, "cannot be read: File name too long"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(cwd: Path, given: str, said: str) -> None:
    put(cwd, "sub/data.csv")
    error = refused(given, cwd)
    assert said in error.message
    assert "`requirements" in f"{error.message} {error.hint}"


@pytest.mark.parametrize("given", ["sub/requirements.txt", "sub/dev.in", "sub/pylock.dev.toml", "sub/x.lock"])
def test_a_named_file_can_lie_anywhere(cwd: Path, given: str) -> None:
    put(cwd, given)
    assert locks.find(given, cwd) == Lock(cwd, cwd / given, "pylock" if "pylock" in given else "plain")
    absolute = str(cwd / given)
    assert locks.find(absolute, Path("/")).path == cwd / given


# What decides


def test_the_files_are_all_that_are_included(cwd: Path) -> None:
    put(
        cwd,
        "requirements.txt",
        text=(
            "-r sub/a.txt\n-c constraints.txt # why\n  --requirement=sub/b.txt\n--constraint\tc.txt\n-rd.txt\n"
            "-r sub/../sub/a.txt\n# -r commented.txt\nnumpy -r not.txt\n-r\n--require-hashes\n-e .\n"
            "-c https://example.org/constraints.txt\n"
        ),
    )
    put(cwd, "sub/a.txt", text="-r ../requirements.txt\n-r ./a2.txt\n")
    found = locks.find("", cwd).files()
    names = ["requirements.txt", "sub/a.txt", "sub/a2.txt", "constraints.txt", "sub/b.txt", "c.txt", "d.txt"]
    assert [path.relative_to(cwd).as_posix() for path in found] == names


def test_files_that_include_each_other_end(cwd: Path) -> None:
    (cwd / "sub").mkdir()
    put(cwd, "requirements.txt", text="-r sub/../requirements.txt\n-r sub/../b.txt\n")
    put(cwd, "b.txt", text="-r requirements.txt\n")
    assert [path.name for path in locks.find("", cwd).files()] == ["requirements.txt", "b.txt"]


def test_uv_lock_belongs_to_its_project(cwd: Path) -> None:
    put(cwd, "sub/uv.lock")
    assert locks.find("sub/uv.lock", cwd).files() == [cwd / "sub" / "uv.lock", cwd / "sub" / "pyproject.toml"]


@pytest.mark.parametrize("changed", ["requirements.txt", "a.txt", "b.txt"])
def test_the_digest_follows_the_content_of_each_file(cwd: Path, changed: str) -> None:
    put(cwd, "requirements.txt", text="-r a.txt\n")
    put(cwd, "a.txt", text="-c b.txt\n")
    put(cwd, "b.txt")
    lock = locks.find("", cwd)
    before = lock.digest()
    assert lock.digest() == before
    assert len(before) == 64
    with (cwd / changed).open("a") as file:
        file.write("# more\n")
    assert lock.digest() != before


def test_the_digest_does_not_depend_on_the_place(cwd: Path) -> None:
    for folder in ("one", "two"):
        put(cwd, f"{folder}/requirements.txt", text="-r a.txt\n")
        put(cwd, f"{folder}/a.txt")
    first, second = (locks.find("", cwd / folder).digest() for folder in ("one", "two"))
    assert first == second


def test_the_digest_differs_between_kinds(cwd: Path) -> None:
    put(cwd, "x.txt")
    assert Lock(cwd, cwd / "x.txt", "plain").digest() != Lock(cwd, cwd / "x.txt", "hashed").digest()


@pytest.mark.parametrize(("name", "missing"), [("requirements.txt", "none.txt"), ("uv.lock", "pyproject.toml")])
def test_an_included_file_that_is_missing_is_named(cwd: Path, name: str, missing: str) -> None:
    put(cwd, name, text="-r none.txt\n")
    lock = locks.find("", cwd)
    with pytest.raises(InputError, match="does not exist") as caught:
        lock.digest()
    assert missing in caught.value.message
    assert caught.value.file == name


def test_a_file_is_known_by_its_path_in_the_workspace_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "requirements.txt").touch()
    for given in ("./requirements.txt", "sub/../requirements.txt", str(tmp_path / "requirements.txt")):
        assert locks.find(given, tmp_path).name == "requirements.txt"
    (tmp_path / "sub" / "uv.lock").touch()
    assert locks.find("../requirements.txt", tmp_path / "sub").path == tmp_path / "requirements.txt"


def test_an_included_pipe_is_not_waited_for(cwd: Path) -> None:
    put(cwd, "requirements.txt", text="-r more.txt\n")
    os.mkfifo(cwd / "more.txt")
    lock = locks.find("", cwd)
    with pytest.raises(InputError, match=r"more\.txt` is not a regular file"):
        lock.digest()
