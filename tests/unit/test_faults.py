"""What uv 0.13.9 printed of each fault, word for word; the integration tests have it print some of them again."""

from pathlib import Path

import pytest

from notebook_ci.base import locks
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.setup_env import faults

UNSATISFIABLE = "we can conclude that your requirements are unsatisfiable."
OWN_INDEX = "If you use your own index, check that it has the package."


def no_solution(cause: str) -> str:
    return (
        "Using Python 3.11.7 environment at: v\nerror: No solution found when resolving dependencies\n"
        f"  cause: Because {cause}, {UNSATISFIABLE}\n"
    )


def explained(folder: Path, text: str, output: str) -> NotebookCiError:
    (folder / "requirements.txt").write_text(text, encoding="utf-8")
    lock = locks.find("requirements.txt", folder)
    error = faults.explain(output, lock)
    assert error is not None
    return error


@pytest.mark.parametrize(
    "line", ["pandsa", "Pandsa == 1.0  # why", "  pandsa>=1", "pandsa[all]", "pandsa;python_version>'3'"]
)
def test_a_package_that_is_not_there_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    output = no_solution("pandsa was not found in the package registry and you require pandsa")
    error = explained(tmp_path, f"# pandsa\npandsa-extra\n{line}\n", output)
    assert isinstance(error, SurroundingsError)
    assert error.message == "The package index has no package `pandsa`."
    assert error.hint.startswith(f"Check the name. {OWN_INDEX} `pip freeze` also lists packages of the system")
    assert (error.file, error.line) == ("requirements.txt", 3)


def test_a_name_is_found_however_it_is_written(tmp_path: Path) -> None:
    output = no_solution("a-b-c was not found in the package registry and you require a-b-c")
    assert explained(tmp_path, "six\nA_b.C==1\n", output).line == 2


def test_what_another_package_needs_has_the_line_of_that_one(tmp_path: Path) -> None:
    output = no_solution("pandsa was not found in the package registry and x==1 depends on pandsa")
    error = explained(tmp_path, "six\nx==1\n", output)
    assert error.message == "The package index has no package `pandsa`, which `x==1` needs."
    assert (error.file, error.line) == ("requirements.txt", 2)
    assert explained(tmp_path, "-r missing.txt\n", output).line is None


def test_the_line_may_be_in_a_file_that_is_included(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("\nsix==99\n")
    error = explained(tmp_path, "-r sub/b.txt\n", no_solution("there is no version of six==99 and you require six==99"))
    assert (error.file, error.line) == ("sub/b.txt", 2)


def test_a_build_that_only_its_own_index_has(tmp_path: Path) -> None:
    output = no_solution("there is no version of torch==2.13.0+cu126 and you require torch==2.13.0+cu126")
    error = explained(tmp_path, "six\ntorch==2.13.0+cu126\n", output)
    assert error.message == "The package index has no `torch==2.13.0+cu126` for Python 3.11 on this platform."
    assert error.hint.startswith("Only its own index has the build `+cu126`: remove that part, or add the index")
    assert (error.file, error.line) == ("requirements.txt", 2)


@pytest.mark.parametrize(
    ("cause", "what"),
    [
        ("there is no version of six==99 and you require six==99", "six==99"),
        ("there is no version of six[foo]==99 and you require six[foo]==99", "six[foo]==99"),
        ("only six<=1.17.0 is available and you require six>=99", "six>=99"),
        (
            "six==0.1 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require six==0.1",
            "six==0.1",
        ),
    ],
)
def test_a_version_that_is_not_there_is_named_with_its_line(tmp_path: Path, cause: str, what: str) -> None:
    error = explained(tmp_path, f"numpy\n{what}\n", no_solution(cause))
    assert isinstance(error, SurroundingsError)
    only = ", only `six<=1.17.0`" if "only" in cause else ""
    assert error.message == f"The package index has no `{what}` for Python 3.11 on this platform{only}."
    assert error.hint == f"Check name and version. {OWN_INDEX}"
    assert (error.file, error.line) == ("requirements.txt", 2)


def test_uv_does_not_always_tell_its_python(tmp_path: Path) -> None:
    output = "  cause: Because there is no version of six==99 and your project depends on six==99, we can conclude\n"
    assert explained(tmp_path, "six==99\n", output).message.endswith("`six==99` for this Python on this platform.")


def test_an_index_that_refuses_is_not_taken_for_one_that_has_nothing(tmp_path: Path) -> None:
    output = no_solution("six was not found in the package registry and you require six")
    (tmp_path / "requirements.txt").write_text("six\n")
    lock = locks.find("", tmp_path)
    assert faults.explain(f"{output}\nhint: An index URL returned a 403 Forbidden error.\n", lock) is None
    assert faults.explain("error: something else\n", lock) is None


@pytest.mark.parametrize("url", ["file:///croot/six_1/work", "file:///C:/b/abs_0/croot/six.whl"])
def test_a_line_of_pip_freeze_in_conda_is_told_what_to_write(tmp_path: Path, url: str) -> None:
    output = f"error: Distribution not found at: {url}\n"
    error = explained(tmp_path, f"numpy\nsix @ {url}\n", output)
    assert isinstance(error, InputError)
    assert error.message == f"`requirements.txt` names `{url}`, which does not exist."
    assert error.hint == (
        "Such a line comes from `pip freeze` in a conda environment: write `six==<version>` instead, "
        "as `pip list --format=freeze` does."
    )
    assert (error.file, error.line) == ("requirements.txt", 2)


def test_a_line_of_conda_list_is_told_what_to_write(tmp_path: Path) -> None:
    cause = 'no such comparison operator "=", must be one of ~= == != <= >= < > ==='
    output = f"error: Couldn't parse requirement in `requirements.txt` at position 2\n  cause: {cause}\n"
    error = explained(tmp_path, "#\nnumpy=1.21.2=py39_0\n", output)
    assert isinstance(error, InputError)
    assert error.message == "A requirement has a single `=`, as conda writes it."
    assert "`conda env export --from-history > environment.yml`" in error.hint
    assert (error.file, error.line) == ("requirements.txt", 2)
    other = explained(tmp_path, "#\nnumpy=>1\n", output.replace('"="', '"=>"'))
    assert isinstance(other, InputError)
    assert other.message.startswith('A requirement is not valid: no such comparison operator "=>"')


BUILD = "error: Failed to build `study==1`\n  cause: The build backend returned an error\n         [stderr]\n"
HEADER = (
    "         x.c:1:10: fatal error: nosuch/lib.h: No such file or directory\n         error: Command 'gcc' failed\n"
)
DOWNLOAD = "error: Failed to download and build `study @ git+https://h/x@v9`\n  cause: Git operation failed\n"
GIT = "  cause: process didn't exit successfully: `git` (exit status: 128)\n         --- stderr\n         fatal: "
OF_PACKAGE = {
    "read-only": (
        BUILD + "         error: could not create 'study.egg-info': Read-only file system\n",
        "`study==1` must be built from source, and the build writes into a read-only folder.",
    ),
    "header": (
        (
            f"{BUILD}{HEADER}\nhint: This error likely indicates that you need to install a library that provides "
            "`nosuch/lib.h` for `study==1`"
        ),
        "`study==1` must be built from source, but you need to install a library that provides `nosuch/lib.h`.",
    ),
    "exception": (
        BUILD
        + "         Traceback (most recent call last):\n         RuntimeError: GDAL is needed\n\nhint: Build failures "
        "usually indicate a problem with the package or the build environment",
        "`study==1` must be built from source, and the build failed: RuntimeError: GDAL is needed.",
    ),
    "compiler": (
        BUILD + "         error: [Errno 2] No such file: 'gcc'\n",
        "`study==1` must be built from source, and the build failed: error: [Errno 2] No such file: 'gcc'.",
    ),
    "old setup.py": (
        BUILD + "         error in study setup command: use_2to3 is wrong.\n\nhint: Build failures usually indicate x",
        "`study==1` must be built from source, and the build failed: error in study setup command: use_2to3 is wrong.",
    ),
    "no reason": (
        BUILD + "         gcc: fatal\n\nhint: Build failures usually indicate a problem",
        "`study==1` must be built from source, and the build failed: gcc: fatal.",
    ),
    "other name": (
        BUILD
        + "         'study' is gone\n\nhint: `study` is often confused for `learn-study`. Did you mean to install",
        "`study==1` cannot be built: the package has another name, `learn-study`.",
    ),
    "branch": (
        DOWNLOAD + f"  cause: failed to fetch branch or tag `v9`\n{GIT}couldn't find remote ref refs/tags/v9\n",
        "The git repository of `study` has no branch, tag or commit `v9`.",
    ),
    "short commit": (
        DOWNLOAD + f"  cause: failed to find branch, tag, or commit `v9`\n{GIT}ambiguous argument\n",
        "The git repository of `study` has no branch, tag or commit `v9`.",
    ),
    "repository": (
        DOWNLOAD + f"  cause: failed to clone into: x\n{GIT}unable to access 'https://h/x/'\n",
        "`study` cannot be downloaded from `git+https://h/x@v9`: unable to access 'https://h/x/'.",
    ),
    "status": (
        (
            "error: Failed to download `study @ https://h/x.whl`\n  cause: Failed to fetch: https://h/x.whl\n"
            "  cause: HTTP status client error (404 Not Found) for url (https://h/x.whl)\n"
        ),
        "`study` cannot be downloaded from `https://h/x.whl`: client error (404 Not Found).",
    ),
    "connection": (
        (
            "error: Failed to download `study @ https://h/x.whl`\n  cause: Request failed after 3 retries in 4.5s\n"
            "  cause: tcp connect error\n  cause: Connection refused (os error 111)\n"
        ),
        "`study` cannot be downloaded from `https://h/x.whl`: Connection refused (os error 111).",
    ),
    "hash": (
        "error: Failed to download `study==1`\n  cause: Hash mismatch for `study==1`\n\n         Expected:\n",
        "The package `study==1` from the index differs from the one in the lock (by its hash). Nothing was installed.",
    ),
}


@pytest.mark.parametrize(("output", "message"), OF_PACKAGE.values(), ids=OF_PACKAGE)
def test_a_failure_of_one_package_has_its_line(tmp_path: Path, output: str, message: str) -> None:
    error = explained(tmp_path, "six\nstudy==1\n", output)
    assert (error.message, error.file, error.line) == (message, "requirements.txt", 2)
    assert error.hint
    assert ("sys_platform" in error.hint) == ("build failed" in message)


def test_another_path_that_is_not_there_is_nothing_of_conda(tmp_path: Path) -> None:
    error = explained(tmp_path, "./x.whl\n", f"error: Distribution not found at: file://{tmp_path}/x.whl\n")
    assert error.message == f"`requirements.txt` names `file://{tmp_path}/x.whl`, which does not exist."
    assert error.hint == "Correct the file."


def test_a_repository_without_a_name_is_named_by_its_url(tmp_path: Path) -> None:
    fetch = GIT.replace("`git`", "`git fetch 'https://h/x.git' '+HEAD'`")
    output = f"error: Git operation failed\n  cause: failed to clone into: x\n{fetch}unable to access\n"
    error = explained(tmp_path, "git+https://h/x.git\n", output)
    assert error.message == "The git repository `https://h/x.git` cannot be downloaded: unable to access."
    assert (error.file, error.line) == ("requirements.txt", None)


def test_a_project_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    said = "error in study setup command: 'install_requires' must be a string"
    output = (
        f"error: The build backend returned an error\n  cause: Call to `x` failed\n\n         {said}; Expected end\n"
    )
    error = explained(tmp_path, "six\n", output)
    assert (error.message, type(error)) == (f"`requirements.txt` cannot be built: {said}.", InputError)
