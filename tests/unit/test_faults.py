"""What uv 0.13.9 printed of each fault, word for word; the integration tests have it print some of them again."""

from pathlib import Path

import pytest

from notebook_ci.base import locks
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.setup_env import faults

WHAT = "The packages of requirements.txt could not be installed"
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
    error = faults.explain(WHAT, output, lock)
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
    assert error.hint == f"Check the name. {OWN_INDEX}"
    assert (error.file, error.line) == ("requirements.txt", 3)


def test_a_name_is_found_however_it_is_written(tmp_path: Path) -> None:
    output = no_solution("a-b-c was not found in the package registry and you require a-b-c")
    assert explained(tmp_path, "six\nA_b.C==1\n", output).line == 2


def test_what_another_package_needs_has_no_line(tmp_path: Path) -> None:
    output = no_solution("pandsa was not found in the package registry and x==1 depends on pandsa")
    error = explained(tmp_path, "x==1\n", output)
    assert (error.file, error.line) == ("requirements.txt", None)


def test_the_line_may_be_in_a_file_that_is_included(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("\nsix==99\n")
    error = explained(tmp_path, "-r sub/b.txt\n", no_solution("there is no version of six==99 and you require six==99"))
    assert (error.file, error.line) == ("sub/b.txt", 2)


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
    assert error.message == f"The package index has no `{what}` for Python 3.11 on this platform."
    assert error.hint == f"Check name and version. {OWN_INDEX}"
    assert (error.file, error.line) == ("requirements.txt", 2)


def test_uv_does_not_always_tell_its_python(tmp_path: Path) -> None:
    output = "  cause: Because there is no version of six==99 and your project depends on six==99, we can conclude\n"
    assert explained(tmp_path, "six==99\n", output).message.endswith("`six==99` for this Python on this platform.")


def test_an_index_that_refuses_is_not_taken_for_one_that_has_nothing(tmp_path: Path) -> None:
    output = no_solution("six was not found in the package registry and you require six")
    (tmp_path / "requirements.txt").write_text("six\n")
    lock = locks.find("", tmp_path)
    assert faults.explain(WHAT, f"{output}\nhint: An index URL returned a 403 Forbidden error.\n", lock) is None
    assert faults.explain(WHAT, "error: something else\n", lock) is None


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


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (
            "error: could not create 'study.egg-info': Read-only file system",
            "a build writes into a read",
        ),
        ("error: no", "a package must be built from source, and the build failed"),
    ],
)
def test_a_build_that_fails_is_told_why(tmp_path: Path, cause: str, said: str) -> None:
    output = f"error: Failed to build `study`\n  cause: The build backend returned an error\n  [stderr]\n  {cause}"
    error = explained(tmp_path, ".\n", output)
    assert isinstance(error, SurroundingsError)
    assert error.message.startswith(f"{WHAT}: {said}")


def test_another_path_that_is_not_there_is_nothing_of_conda(tmp_path: Path) -> None:
    error = explained(tmp_path, "./x.whl\n", f"error: Distribution not found at: file://{tmp_path}/x.whl\n")
    assert error.message == f"`requirements.txt` names `file://{tmp_path}/x.whl`, which does not exist."
    assert error.hint == "Correct the file."
