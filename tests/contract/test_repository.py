"""What holds for the repository as a whole."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import vermin

from dev.bench.works import WORKS
from notebook_ci.stages import ALL_STAGES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {name.replace("-", "_") for name in ALL_STAGES}


def tracked() -> list[Path]:
    """Return the files of the repository, also those that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


# Of packages and of images. `docker.io` alone is part of an image's name.
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|proxy\.golang\.org|registry\.npmjs"
    r"|\w\.debian\.org|\w\.ubuntu\.com|[\w-]\.docker\.io|hub\.docker\.com"
)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert not [path for path in tracked() if REGISTRY.search(text_of(path))]


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("files.pythonhosted", "org"),
        ("deb.debian", "org"),
        ("security.debian", "org"),
        ("azure.archive.ubuntu", "com"),
        ("registry-1.docker", "io"),
    ],
)
def test_the_host_of_a_registry_is_found(host: str, domain: str) -> None:
    assert REGISTRY.search(f"https://{host}.{domain}/packages/x")


def test_the_name_of_an_image_is_no_host() -> None:
    assert not REGISTRY.search("docker.io/library/python:3")


def test_links_in_documents_lead_somewhere() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in tracked()
        if path.suffix == ".md"
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text_of(path))
        if not (path.parent / target).exists()
    ]
    assert not missing


def imports(path: Path) -> set[str]:
    """Return what a file imports of the library, as far as two names below it: `base.errors`, `notebooks`."""
    found = set()
    for module, names in re.findall(r"^\s*from notebook_ci([\w.]*) import ([\w, ]+|\()", text_of(path), re.MULTILINE):
        parts = module.split(".")[1:]
        found |= {".".join([*parts, name.split()[0]][:2]) for name in names.split(",") if name.strip("( ")}
        found.add(".".join(parts[:2]))
    return found


def layers(found: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in found}


def modules(package: str) -> list[Path]:
    found = list((ROOT / "scripts" / "notebook_ci" / package).glob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_stage_package_imports_no_other_one(package: str) -> None:
    # These show what stages say of themselves.
    shown = set() if package in {"comment_run", "report_run"} else {"summary"}
    for path in modules(package):
        found = imports(path)
        assert not layers(found) & (PACKAGES - {package} | shown), path
        assert not found & {"base.github", "base.stage"}, path


@pytest.mark.parametrize("package", ["affected", "base", "dvc", "environments", "notebooks", "records", "tools"])
def test_what_stages_share_imports_no_stage(package: str) -> None:
    for path in modules(package):
        assert not layers(imports(path)) & PACKAGES, path


def test_an_import_of_another_stage_is_found(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        "from notebook_ci import log_run\nfrom notebook_ci.base import files, github\n"
        "from notebook_ci.dvc_pull.model import (\n    A,\n)\n"
    )
    assert layers(imports(file)) == {"", "log_run", "base", "dvc_pull"}
    assert {"base.files", "base.github", "dvc_pull.model"} <= imports(file)


@pytest.mark.parametrize("stage", ["pipeline", *ALL_STAGES])
def test_a_wrong_value_is_refused_with_the_standard_library_alone(stage: str, tmp_path: Path) -> None:
    """Inputs are checked before anything is installed or imported, by a Python that has nothing else."""
    script = ROOT / "scripts" / f"{stage.replace('-', '_')}.py"
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-S", script, "--slug", "/"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.partition("`/`")[0]) == (2, "error: `--slug` does not accept "), done.stderr
    assert not list(tmp_path.iterdir())


MOST_LINES_OF_A_TEST_FILE = 500


def too_long(paths: list[Path]) -> list[Path]:
    return [path for path in paths if len(text_of(path).splitlines()) > MOST_LINES_OF_A_TEST_FILE]


def files_of_tests() -> list[Path]:
    files = [path for path in tracked() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")]
    assert Path(__file__) in files
    return files


def test_no_test_file_is_too_long() -> None:
    assert not too_long(files_of_tests()), "split it by subject"


@pytest.mark.parametrize(("lines", "found"), [(500, False), (501, True)])
def test_a_test_file_that_is_too_long_is_found(tmp_path: Path, lines: int, *, found: bool) -> None:
    (tmp_path / "test_x.py").write_text("x = 1\n" * lines)
    assert too_long([tmp_path / "test_x.py"]) == [tmp_path / "test_x.py"] * found


def repeated(paths: list[Path]) -> list[str]:
    """Return the names that several test files have: pytest would not collect the second one."""
    counts = Counter(path.name for path in paths if path.name.startswith("test_"))
    return [name for name, count in counts.items() if count > 1]


def test_each_test_file_has_a_name_of_its_own() -> None:
    assert not repeated(files_of_tests())


def test_a_name_of_two_test_files_is_found() -> None:
    assert repeated([Path("unit/test_x.py"), Path("unit/conftest.py"), Path("e2e/conftest.py")]) == []
    assert repeated([Path("unit/test_x.py"), Path("e2e/test_x.py")]) == ["test_x.py"]


OLDEST_KERNEL = (3, 8)
# vermin finds them where it knows the type that they are called on, which is seldom.
NEW_METHODS = {"removeprefix", "removesuffix", "bit_count"}
NEW_SUBSCRIPTS = {"dict", "frozenset", "list", "set", "tuple", "type"}


def too_new(source: str) -> list[str]:
    """Return why the oldest Python of a kernel cannot run a source; annotations are not evaluated there."""
    config = vermin.Config()
    config.set_verbose(3)
    visitor = vermin.visit(source, config)
    found = [visitor.output_text()] if visitor.minimum_versions()[1] > OLDEST_KERNEL else []
    tree = ast.parse(source)
    found += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in NEW_METHODS]
    values = [part for node in ast.walk(tree) if isinstance(node, ast.Assign) for part in ast.walk(node.value)]
    subscripts = [node for node in values if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)]
    return found + [ast.unparse(node) for node in subscripts if ast.unparse(node.value) in NEW_SUBSCRIPTS]


IN_THE_USERS_PYTHON = sorted(
    path for folder in ("kernel_server/inside", "notebook_testing") for path in (ROOT / "scripts" / folder).glob("*.py")
)


@pytest.mark.parametrize("path", IN_THE_USERS_PYTHON, ids=lambda path: path.name)
def test_what_the_users_python_runs_is_for_old_pythons(path: Path) -> None:
    assert too_new(text_of(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import math\nmath.lcm(4, 6)",
        "from functools import cache",
        "import zoneinfo",
        "def f(x): return x.removeprefix('a')",
        "Request = dict[str, int]",
        "zip(x, y, strict=True)",
        "match x:\n    case 1: pass",
    ],
)
def test_what_is_too_new_for_old_pythons_is_found(source: str) -> None:
    assert too_new(source)


def test_annotations_may_be_of_any_python() -> None:
    assert too_new("from __future__ import annotations\ndef f(x: list[int] | None) -> dict[str, int]: ...") == []


def run_pytest(folder: Path, test: str, *flags: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(test, encoding="utf-8")
    (folder / "conftest.py").write_text(text_of(ROOT / "tests" / "conftest.py"), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        f"pythonpath={ROOT / 'scripts'}",
        "--rootdir",
        str(folder),
        *flags,
        str(folder),
    ]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / each) for each in ("tests", "scripts"))}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environ)


SKIPPING = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no engine')\n"


def test_a_skipped_test_fails_ci(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SKIPPING, "--no-skips")
    assert done.returncode == 1
    assert "1 skipped, and --no-skips was given: failed." in done.stdout


def test_a_skipped_module_fails_ci(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "import pytest\npytest.importorskip('no_such_module')\n", "--no-skips")
    assert done.returncode != 0


def test_a_skipped_test_does_not_fail_on_a_laptop(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, SKIPPING).returncode == 0


def test_nothing_skipped_passes_ci(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, "def test_a(): pass\n", "--no-skips").returncode == 0


def test_ci_makes_every_part_mandatory() -> None:
    assert "make test NO_SKIPS=1" in text_of(ROOT / ".ci" / "run")
    assert "make test NO_SKIPS=1" in text_of(ROOT / ".github" / "workflows" / "ci.yml")


def promises(page: str) -> dict[tuple[str, str, str], bool]:
    """Return the promises of a page of benchmarks (work, contenders, what is promised), and whether each is kept."""
    table = page.partition("\n## Promises\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line][2:]
    return {(work, contenders, promised): kept == "yes" for work, contenders, _, promised, kept in rows}


def test_the_page_of_benchmarks_has_every_promise_and_all_are_kept() -> None:
    """`make bench` writes it; a work or a promise that was added since is missing there."""
    found = promises(text_of(ROOT / "docs" / "benchmarks.md"))
    for work in WORKS:
        medians = {contender.name: 1.0 for contender in work.contenders}
        for promise in work.promises:
            verdict = promise.verdict(medians)
            assert (work.title, verdict.contenders, verdict.promised) in found
    assert all(found.values())


def test_a_promise_that_is_not_kept_is_found() -> None:
    page = text_of(ROOT / "docs" / "benchmarks.md").replace("| yes |\n", "| **no** |\n", 1)
    assert list(promises(page).values()).count(False) == 1
