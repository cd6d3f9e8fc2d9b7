"""What uv 0.13.9 printed when no versions fit, word for word; integration tests have it print some of them again."""

from pathlib import Path
from typing import NamedTuple

import pytest

from notebook_ci.base import locks
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.setup_env import faults


class Case(NamedTuple):
    text: str  # of the list
    cause: str  # as uv says it
    message: str
    hint: str
    line: int | None


NO_PLATFORM = "has no wheels with a matching platform tag (e.g., `manylinux_2_36_x86_64`)"
UNSATISFIABLE = "we can conclude that your requirements are unsatisfiable."
CONTRADICTIONS = {
    "direct": Case(
        "pandas==2.2.0\n\npandas==2.1.0\n",
        f"Because you require pandas==2.2.0 and pandas==2.1.0, {UNSATISFIABLE}",
        "it requires pandas==2.2.0 and pandas==2.1.0.",
        "Change `pandas==2.2.0` (requirements.txt:1) or `pandas==2.1.0` (requirements.txt:3).",
        3,
    ),
    "through another package": Case(
        "numpy==1.20\nPandas==2.2.0\n",
        "Because pandas==2.2.0 depends on numpy{python_full_version < '3.12'}>=1.23.2,<2 and you require "
        "pandas==2.2.0, we can conclude that you require numpy>=1.23.2,<2.\n"
        f"         And because you require numpy==1.20, {UNSATISFIABLE}",
        "`pandas==2.2.0` needs `numpy>=1.23.2,<2`, but `numpy==1.20` is required.",
        "Change `pandas==2.2.0` (requirements.txt:2) or `numpy==1.20` (requirements.txt:1).",
        1,
    ),
    "one of several ranges": Case(
        "seaborn==0.13.2\n-r sub/b.txt\n",
        "Because seaborn>=0.13.2 depends on one of:\n             matplotlib>=3.4,<3.6.1\n             "
        "matplotlib>3.6.1\n         and you require seaborn==0.13.2, we can conclude that you require one of:\n"
        "             matplotlib>=3.4,<3.6.1\n             matplotlib>3.6.1\n\n"
        f"         And because you require matplotlib==3.3, {UNSATISFIABLE}",
        "`seaborn>=0.13.2` needs `matplotlib>=3.4,<3.6.1` or `matplotlib>3.6.1`, but `matplotlib==3.3` is required.",
        "Change `seaborn==0.13.2` (requirements.txt:1) or `matplotlib==3.3` (sub/b.txt:2).",
        2,
    ),
    "several versions of one": Case(
        "seaborn>=0.13\nmatplotlib<3.3\n",
        "Because seaborn==0.13.0 depends on one of:\n             matplotlib>=3.3,<3.6.1\n             "
        "matplotlib>3.6.1\n         and seaborn>=0.13.1 depends on one of:\n             matplotlib>=3.4,<3.6.1\n"
        "             matplotlib>3.6.1\n         we can conclude that seaborn>=0.13.0 depends on one of:\n"
        "             matplotlib>=3.3,<3.6.1\n             matplotlib>3.6.1\n\n"
        f"         And because you require seaborn>=0.13 and matplotlib<3.3, {UNSATISFIABLE}",
        "`seaborn==0.13.0` needs `matplotlib>=3.3,<3.6.1` or `matplotlib>3.6.1`, but `matplotlib<3.3` is required.",
        "Change `seaborn>=0.13` (requirements.txt:1) or `matplotlib<3.3` (requirements.txt:2).",
        2,
    ),
    "all versions": Case(
        "needs==1\nbone==2\n",
        "Because all versions of needs depend on bone<2 and you require needs==1, we can conclude that you require "
        f"bone<2.\n         And because you require bone==2.0, {UNSATISFIABLE}",
        "`needs` needs `bone<2`, but `bone==2.0` is required.",
        "Change `needs==1` (requirements.txt:1) or `bone==2.0` (requirements.txt:2).",
        2,
    ),
    "two packages": Case(
        "a==1\nb==1\n",
        "Because a==1 depends on c<2 and b==1 depends on c>=2, we can conclude that a==1 and b==1 are incompatible.\n"
        f"         And because you require a==1 and b==1, {UNSATISFIABLE}",
        "`a==1` needs `c<2` and `b==1` needs `c>=2`.",
        "Change `a==1` (requirements.txt:1) or `b==1` (requirements.txt:2).",
        2,
    ),
    "two extras": Case(
        "ex[low,high]\n",
        "Because all versions of ex[high] depend on num>=2 and all versions of ex[low] depend on num<2, we can "
        "conclude that all versions of ex[low] and all versions of ex[high] are incompatible.\n"
        f"         And because you require ex[low] and ex[high], {UNSATISFIABLE}",
        "`ex[high]` needs `num>=2` and `ex[low]` needs `num<2`.",
        "Change `ex[low]` (requirements.txt:1) or `ex[high]`.",
        None,
    ),
}
OTHERS = {
    "another Python": Case(
        "six\nscipy==1.18.0\n",
        "Because the current Python version (3.11.7) does not satisfy Python>=3.12 and scipy==1.18.0 depends on "
        "Python>=3.12, we can conclude that scipy==1.18.0 cannot be used.\n"
        f"         And because you require scipy==1.18.0, {UNSATISFIABLE}",
        "`scipy==1.18.0` needs Python>=3.12, but this environment has Python 3.11.",
        "Set `python-version`, or require another version of `scipy`.",
        2,
    ),
    "another Python, as the wheel says": Case(
        "new==1.0\n",
        f"Because new==1.0 requires Python >=3.99 and you require new==1.0, {UNSATISFIABLE}",
        "`new==1.0` needs Python>=3.99, but this environment has Python 3.11.",
        "Set `python-version`, or require another version of `new`.",
        1,
    ),
    "wheels for another system": Case(
        "pywin32==306\n",
        "Because pywin32==306 has no wheels with a matching platform tag (e.g., `manylinux_2_36_x86_64`) and you "
        f"require pywin32==306, {UNSATISFIABLE}\n\nhint: Wheels are available for `pywin32` (v306) on the following "
        "platforms: `win32`, `win_amd64`, `win_arm64`",
        "`pywin32==306` has wheels only for `win32`, `win_amd64`, `win_arm64`, not for Python 3.11 on this platform.",
        "Write `pywin32==306; sys_platform == 'win32'`, or remove the line.",
        1,
    ),
    "wheels for older Pythons": Case(
        "# old\ntensorflow==2.5\n",
        "Because tensorflow==2.5.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require "
        f"tensorflow==2.5, {UNSATISFIABLE}\n\nhint: You require CPython 3.11 (`cp311`), but we only found wheels for "
        "`tensorflow` (v2.5.0) with the following Python ABI tags: `cp36m`, `cp37m`, `cp38`, `cp39`",
        "`tensorflow==2.5.0` has wheels only for Python 3.6, 3.7, 3.8, 3.9, not for Python 3.11 on this platform.",
        'Set `python-version` to "3.9", or require another version of `tensorflow`.',
        2,
    ),
    "wheels for another system, of what another package needs": Case(
        "needmac\n",
        f"Because mac==1.0 {NO_PLATFORM} and only mac==1.0 is available, we can conclude that all versions of mac "
        "cannot be used.\n         And because all versions of needmac depend on mac and you require needmac, "
        f"{UNSATISFIABLE}\n\nhint: Wheels are available for `mac` (v1.0) on the following platform: "
        "`macosx_11_0_arm64`",
        "`mac==1.0` has wheels only for `macosx_11_0_arm64`, not for Python 3.11 on this platform.",
        "Require another version of `mac`.",
        1,
    ),
    "versions that lack different wheels": Case(
        "mix\n",
        "Because mix==1.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and only the following versions "
        "of mix are available:\n             mix==1.0\n             mix==1.1\n         we can conclude that all of:\n"
        "             mix<1.1\n             mix>1.1\n          cannot be used.\n         And because mix==1.1 "
        f"{NO_PLATFORM} and you require mix, {UNSATISFIABLE}\n\nhint: You require CPython 3.11 (`cp311`), but we only "
        "found wheels for `mix` (v1.0) with the following Python ABI tag: `cp39`\n\nhint: Wheels are available for "
        "`mix` (v1.1) on the following platform: `win_amd64`",
        "`mix==1.0` has wheels only for Python 3.9, not for Python 3.11 on this platform.",
        'Set `python-version` to "3.9", or require another version of `mix`.',
        1,
    ),
    "wheels for another machine": Case(
        "arm==1\n",
        f"Because arm==1 {NO_PLATFORM} and you require arm==1, {UNSATISFIABLE}\n\nhint: Wheels are available for `arm` "
        "(v1) on the following platform: `manylinux_2_17_aarch64`",
        "`arm==1` has wheels only for `manylinux_2_17_aarch64`, not for Python 3.11 on this platform.",
        "Require another version of `arm`.",
        1,
    ),
}
OF_INDEX = {
    "the first index": Case(
        "num==7\n",
        f"Because there is no version of num==7 and you require num==7, {UNSATISFIABLE}\n\nhint: `num` was found on "
        "https://h/whl/cpu, but not at the requested version (num==7). A compatible version may be available on a "
        "subsequent index (e.g., https://h/simple).",
        "The first index with `num`, `https://h/whl/cpu`, has no `num==7`.",
        "If you trust all your indexes alike, set the variable `UV_INDEX_STRATEGY=unsafe-best-match`.",
        1,
    ),
    "metadata": Case(
        "six\nold==1.0\n",
        f"Because old==1.0 has invalid metadata and you require old==1.0, {UNSATISFIABLE}\n\nhint: Metadata for `old` "
        "(v1.0) could not be parsed:\n  TOML parse error at line 4, column 16\n    |\n  4 | dependencies = 5\n"
        "    |                ^\n  invalid type: integer `5`, expected a sequence",
        "The resolver does not accept the metadata of `old==1.0`.",
        "Require another version of `old`.",
        2,
    ),
    "no network": Case(
        "num==7\n",
        f"Because num was not found in the cache and you require num==7, {UNSATISFIABLE}\n\nhint: Packages were "
        "unavailable because the network was disabled. When the network is disabled, registry packages may only be "
        "read from the cache.",
        "`requirements.txt` needs packages that are not in uv's cache, but uv must not use the network.",
        "Remove `UV_OFFLINE` or the setting `offline`.",
        None,
    ),
}


def output_of(cause: str) -> str:
    return f"error: No solution found when resolving dependencies\n  cause: {cause}\n"


@pytest.mark.parametrize("case", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_both_halves_of_a_contradiction(tmp_path: Path, case: Case) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("\nmatplotlib==3.3\n")
    (tmp_path / "requirements.txt").write_text(case.text)
    error = faults.explain(output_of(case.cause), locks.find("", tmp_path))
    assert isinstance(error, InputError)
    assert (error.message, error.hint) == (f"`requirements.txt` contradicts itself: {case.message}", case.hint)
    assert (error.file, error.line) == ("sub/b.txt" if "-r" in case.text else "requirements.txt", case.line)


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_what_does_not_fit_this_environment(tmp_path: Path, case: Case) -> None:
    (tmp_path / "requirements.txt").write_text(case.text)
    error = faults.explain(output_of(case.cause), locks.find("", tmp_path), "3.11.7")
    assert isinstance(error, InputError)
    assert (error.message, error.hint) == (case.message, case.hint)
    assert (error.file, error.line) == ("requirements.txt", case.line)


@pytest.mark.parametrize("case", OF_INDEX.values(), ids=OF_INDEX)
def test_what_the_index_lacks(tmp_path: Path, case: Case) -> None:
    (tmp_path / "requirements.txt").write_text(case.text)
    error = faults.explain(output_of(case.cause), locks.find("", tmp_path), "3.11.7")
    assert isinstance(error, SurroundingsError)
    assert (error.message, error.hint) == (case.message, case.hint)
    assert (error.file, error.line) == ("requirements.txt", case.line)


def test_a_version_that_another_package_needs(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six\nx==1\n")
    cause = "Because there is no version of y==99 and x==1 depends on y==99, we can conclude that x==1 cannot be used."
    cause += f"\n And because you require x==1, {UNSATISFIABLE}"
    error = faults.explain(output_of(cause), locks.find("", tmp_path))
    assert isinstance(error, SurroundingsError)
    assert error.message == "The package index has no `y==99` for this Python on this platform, which `x==1` needs."
    assert (error.file, error.line) == ("requirements.txt", 2)


@pytest.mark.parametrize("what", ["Distribution `pywin32==306 @ registry+https://h/simple`", "Package `pywin32`"])
def test_a_lock_without_a_wheel_for_this_system(tmp_path: Path, what: str) -> None:
    """As `uv sync` and `uv pip sync` say it."""
    (tmp_path / "requirements.txt").write_text("six\npywin32==306\n")
    output = (
        f"error: {what} can't be installed because it doesn't have a source distribution or wheel for the current "
        "platform\n\nhint: You're on Linux (`manylinux_2_36_x86_64`), but `pywin32` (v306) only has wheels for the "
        "following platforms: `win32`, `win_amd64`; consider adding \"sys_platform == 'linux'\" to "
        "`tool.uv.required-environments` to ensure uv resolves to a version with compatible wheels\n"
    )
    error = faults.explain(output, locks.find("", tmp_path))
    assert isinstance(error, InputError)
    assert "has wheels only for `win32`, `win_amd64`, not for this Python on this platform." in error.message
    assert error.hint.endswith("; sys_platform == 'win32'`, or remove the line. Then create the lock again.")
    assert (error.file, error.line) == ("requirements.txt", 2)


def test_the_line_in_the_part_pip_of_an_environment(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\n- python\n- pip:\n  - six\n  - 'Pandsa>=1'\n")
    cause = f"Because pandsa was not found in the package registry and you require pandsa>=1, {UNSATISFIABLE}"
    error = faults.explain(output_of(cause), locks.find("environment.yml", tmp_path))
    assert error
    assert (error.message, error.line) == ("The package index has no package `pandsa`.", 5)
