"""Requirements files as they are read, and as uv gets them."""

from pathlib import Path

import pytest

from notebook_ci.base import locks, requirements_file
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.build_image import packages
from notebook_ci.setup_env import faults

GIT = "git+https://user:s3cret@host/x.git@v1#egg=x"
MARKS = ["utf-8", "utf-8-sig", "utf-16"]


def put(folder: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))


def found(folder: Path) -> locks.Lock:
    return locks.find("requirements.txt", folder)


def for_uv(folder: Path, start: str = "") -> str:
    return requirements_file.for_uv(found(folder).lines(), folder / start)


@pytest.mark.parametrize(("encoding", "mark"), [*((each, "") for each in MARKS), ("utf-16-be", "\ufeff")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_encoding_is_read(tmp_path: Path, encoding: str, mark: str, end: str) -> None:
    text = f"# ü{end}-r more.txt{end}six==1 --hash=sha256:0{end}"
    put(tmp_path, "requirements.txt", mark + text, encoding)
    put(tmp_path, "more.txt", f"{mark}a{end}./pkg", encoding)
    lock = found(tmp_path)
    assert requirements_file.read(lock.path, lock.name) == text
    assert (lock.kind, lock.builds_local_code) == ("hashed", True)
    assert [(line.file.name, line.number, line.text) for line in lock.lines()][:4] == [
        ("requirements.txt", 1, "# ü"),
        ("more.txt", 1, "a"),
        ("more.txt", 2, "./pkg"),
        ("requirements.txt", 3, "six==1 --hash=sha256:0"),
    ]
    locks.check(lock)


def test_an_include_that_is_not_text_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", "-r more.txt\n")
    put(tmp_path, "more.txt", "six\n", "utf-16-le")
    with pytest.raises(InputError, match=r"^`more.txt` is not UTF-8 text, and not UTF-16 with") as caught:
        locks.check(found(tmp_path))
    assert caught.value.file == "more.txt"


@pytest.mark.parametrize(
    ("line", "given"),
    [
        (f"-e {GIT}", GIT),
        (f"  --editable {GIT}  # why", f"{GIT}  # why"),
        (f"--editable={GIT}", GIT),
        (f"-e{GIT}", GIT),
        (f"-e x[a,b] @ {GIT}", f"x[a,b] @ {GIT}"),
        ("git+git://host/x.git#egg=x", "git+https://host/x.git#egg=x"),
        ("-e git+git://git@host/x", "git+https://git@host/x"),
        ("x @ git+git://host/x", "x @ git+https://host/x"),
        ("-e git+ssh://git@host/x ; python_version > '3'", "git+ssh://git@host/x ; python_version > '3'"),
    ],
)
def test_a_package_from_git_is_written_as_uv_accepts_it(tmp_path: Path, line: str, given: str) -> None:
    put(tmp_path, "requirements.txt", f"six\n{line}\n")
    lock = found(tmp_path)
    assert [each.number for each in lock.refused_git()] == [2]
    assert for_uv(tmp_path).splitlines() == ["six", given, ""]
    assert not lock.builds_local_code


@pytest.mark.parametrize(
    "line",
    [
        GIT,
        "-e .",
        "-e ./git+x",
        f"# -e {GIT}",
        "x # git+git://host/x",
        "git+github://host/x",
        "-e hg+https://host/x",
        f"x @ {GIT}",
        "--extra-index-url https://host",
    ],
)
def test_another_line_stays(tmp_path: Path, line: str) -> None:
    put(tmp_path, "requirements.txt", f"{line}\n")
    assert not found(tmp_path).refused_git()
    assert for_uv(tmp_path).splitlines() == [line, ""]


def test_included_files_are_in_their_place_and_constraints_are_found(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", "a\n-r sub/b.txt\n-r https://host/x.txt\n-c sub/../c.txt\n")
    put(tmp_path, "sub/b.txt", f"-c d.txt\n-r ../requirements.txt\n-e {GIT}")
    put(tmp_path, "c.txt", "")
    put(tmp_path, "sub/d.txt", "")
    common = ["a", "-c sub/d.txt", GIT, "-r https://host/x.txt", "-c c.txt", ""]
    assert for_uv(tmp_path).splitlines() == common
    assert "-c d.txt" in for_uv(tmp_path, "sub").splitlines()
    assert "-c ../c.txt" in for_uv(tmp_path, "sub").splitlines()


@pytest.mark.parametrize("encoding", MARKS)
def test_a_position_of_uv_is_a_line_of_the_file(tmp_path: Path, encoding: str) -> None:
    text = "# ü\n\nnbone=>1\n"
    put(tmp_path, "requirements.txt", text, encoding)
    error = explained(tmp_path, "requirements.txt", len("# ü\n\n".encode()))
    assert (error.file, error.line) == ("requirements.txt", 3)


def test_a_position_in_standard_input_is_a_line_of_its_file(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", "# ü\n-r b.txt\n")
    put(tmp_path, "b.txt", f"\n-e {GIT}\nnbone=>1\n", "utf-16")
    error = explained(tmp_path, "-", for_uv(tmp_path).encode().index(b"nbone"))
    assert (error.file, error.line) == ("b.txt", 3)
    output = "error: Unexpected '-', expected '-c', '-e', '-r' or the start of a requirement: -:3:1\n"
    other = faults.explain(output, found(tmp_path))
    assert other is not None
    assert (other.file, other.line) == ("b.txt", 2)


def test_an_error_in_an_included_url_is_kept(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", "six\n-r https://host/x.txt\n")
    error = explained(tmp_path, "https://host/x.txt", 5)
    assert error.message == "A requirement is not valid: no such operator."
    assert error.hint == "It is in `https://host/x.txt`, which is included."
    assert (error.file, error.line) == ("requirements.txt", None)


def explained(folder: Path, file: str, position: int) -> NotebookCiError:
    output = f"error: Couldn't parse requirement in `{file}` at position {position}\n  cause: no such operator\n"
    error = faults.explain(output, found(folder))
    assert error is not None
    return error


def test_the_build_of_an_image_gets_text_that_uv_accepts(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", f"-r more.txt\n-e {GIT}\n", "utf-16")
    put(tmp_path, "more.txt", "-e .\n", "utf-16")
    image = packages.find("", None, tmp_path)
    assert image.texts() == {"requirements.txt": f"-e .\n\n{GIT}\n\n", "more.txt": "-e .\n"}
    first, second, *_ = image.commands("uv", "/p", "work")
    assert first == "cd work", "paths start from the workspace"
    assert second.endswith(" --requirements /p/requirements.txt")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("-r base.txt", "base.txt"),
        ("  -c base.txt  # why", "base.txt"),
        ('-r "base.txt"', "base.txt"),
        ("--requirement='base.txt'", "base.txt"),
        ("-r my base.txt", "my base.txt"),
        ("-r FILE://{folder}/b%61se.txt", "base.txt"),
    ],
)
def test_includes_are_read_as_uv_reads_them(tmp_path: Path, line: str, path: str) -> None:
    put(tmp_path, "requirements.txt", f"{line.format(folder=tmp_path)}\nsix==1 --hash=sha256:0\n")
    put(tmp_path, path, "a==1 --hash=sha256:0\n")
    lock = found(tmp_path)
    assert lock.files() == [tmp_path / "requirements.txt", tmp_path / path]
    assert lock.fixes_versions
    before = lock.digest()
    put(tmp_path, path, "a==2 --hash=sha256:0\n")
    assert lock.digest() != before


UNKNOWN = ["-r https://host/x.txt", "--no-index -r base.txt", "-c ${HOME}/x.txt", "-r ba'se'.txt", "-r my\\ base.txt"]


@pytest.mark.parametrize("line", UNKNOWN)
def test_an_include_that_is_not_known_fixes_no_versions(tmp_path: Path, line: str) -> None:
    put(tmp_path, "requirements.txt", "-r sub/b.txt\nsix==1 --hash=sha256:0\n")
    put(tmp_path, "sub/b.txt", f"{line}\n")
    assert not found(tmp_path).fixes_versions
    put(tmp_path, "sub/b.txt", f"# {line}\nsix==1 \\\n  --hash=sha256:0\n  # via -r a.in\n")
    assert found(tmp_path).fixes_versions


@pytest.mark.parametrize("line", UNKNOWN)
def test_what_cannot_be_inlined_is_refused(tmp_path: Path, line: str) -> None:
    put(tmp_path, "requirements.txt", f"-e {GIT}\n-r sub/b.txt\n")
    put(tmp_path, "sub/b.txt", f"six\n{line}\n")
    with pytest.raises(
        InputError, match=r"^A file with a line `-e git\+\.\.\.` or `git\+git://\.\.\.` cannot"
    ) as caught:
        locks.check(found(tmp_path))
    assert (caught.value.file, caught.value.line) == ("sub/b.txt", 2)
    put(tmp_path, "requirements.txt", "-r sub/b.txt\n")
    locks.check(found(tmp_path))


def test_quoted_includes_are_inlined_from_their_folder(tmp_path: Path) -> None:
    put(tmp_path, "requirements.txt", f"-e {GIT}\n-r sub/a.txt\n")
    put(tmp_path, "sub/a.txt", '-r "b.txt"\n')
    put(tmp_path, "sub/b.txt", "right")
    put(tmp_path, "b.txt", "wrong")
    assert for_uv(tmp_path).splitlines() == [GIT, "right", "", ""]


@pytest.mark.parametrize(
    ("line", "is_local"),
    [
        *((each, True) for each in ("x @ ./p", "x[a] @ ../p", "x [a, b]@ wheels/x.whl", 'x @ "file:pkg"', "x@pkg")),
        *((each, True) for each in ("x @ FILE:p", "x @ C:/p", "  ./p", "pkg/x", "-e .", "file:p", "--editable=.")),
        *((each, False) for each in ("x @ https://host/x.whl", "x@git+ssh://git@host/x", "x[a] @ 'https://host/x'")),
        *((each, False) for each in ("six", "# x @ ./p", "six  # ./p", "--find-links ./p", " " * 200_000)),
    ],
)
def test_code_of_the_repository_is_seen(tmp_path: Path, line: str, *, is_local: bool) -> None:
    put(tmp_path, "requirements.txt", f"{line}\n")
    assert found(tmp_path).builds_local_code is is_local


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Six_x==1.0", "six-x"),
        ("six [a, b] === 1.0.post1+cu118 ; python_version > '3'  # why", "six"),
        ("six==1.0# a version", "six"),
        (f"six @ {GIT}", "six"),
        (f"-e {GIT}", ""),
        ("https://host/x.whl", ""),
        ("six", None),
        ("six>=1.0", None),
        ("six==1.*", None),
        ("six==1.0,<2", None),
        ("six==", None),
        ("-r https://host/x.txt", None),
    ],
)
def test_which_lines_pin_a_package(tmp_path: Path, line: str, name: str | None) -> None:
    put(tmp_path, "requirements.txt", f"# a\n-c limits.txt\n-r more.txt\n--pre\n{line}\n")
    put(tmp_path, "limits.txt", "a\n")
    put(tmp_path, "more.txt", "b==1\n")
    pins = [each.pinned for each in found(tmp_path).pins()]
    assert pins == ([] if name is None else ["b", name])
