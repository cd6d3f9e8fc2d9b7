"""The plugin of pytest in a user's environment: the examples of its README, kernels, reports, coverage."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Cell, base_environ, code, line_of, notebook, uncompiled_environment
from servers.shared import made_once

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "scripts" / "notebook_testing"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
CASES = Path(__file__).with_name("kernel_cases.py")
START = "import runpy, sys; sys.path.append({!r}); runpy.run_module({!r}, run_name='__main__', alter_sys=True)"
PLUGIN = ("-p", "notebook_testing.plugin", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Project:
    folder: Path
    python: Path

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def write_notebook(self, name: str, *cells: str | Cell) -> Path:
        return self.write(name, json.dumps(notebook(*cells), indent=1))

    def run(self, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a module, with the plugin in the last folder of `sys.path`."""
        start = START.format(str(self.python.parents[2] / "layer"), module)
        return subprocess.run(
            [self.python, "-c", start, *arguments],
            cwd=self.folder,
            env={**base_environ(), "HOME": str(self.folder.parent)},
            capture_output=True,
            text=True,
            check=False,
        )

    def passes(self, count: int, *arguments: str) -> None:
        done = self.run("pytest", *PLUGIN, *arguments)
        assert re.search(rf"^=+ {count} passed in ", done.stdout, re.MULTILINE), done.stdout + done.stderr


def made(folder: Path) -> Path:
    python = uncompiled_environment(folder / "venv", "ipython", "pytest", "coverage")
    (folder / "layer").mkdir()
    (folder / "layer" / PACKAGE.name).symlink_to(PACKAGE)
    return python


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder.resolve(), made_once(tmp_path_factory, "notebook-testing", made))


def cells_of(source: str) -> list[Cell]:
    """Return the cells of an example: each begins with `# %%`, and may have tags."""
    parts = re.findall(r"^# %%(?: tags=(\[[^\n]*\]))?\n(.*?)\s*(?=^# %%|\Z)", source, re.MULTILINE | re.DOTALL)
    return [code(text, *json.loads(tags or "[]")) for tags, text in parts]


# What testbook (0.4.2) documents.
TESTBOOK = (
    *(
        "@testbook(",
        "execute=True",
        "execute=[",
        "execute=slice(",
        "execute=range(",
        "tb.ref(",
        "tb.get(",
        "tb[",
        "tb.cells",
    ),
    *(
        "reference.resolve(",
        "tb.value(",
        "tb.inject(",
        "before=",
        "after=",
        "run=",
        "pop=",
        "args=",
        "tb.execute_cell(",
    ),
    *("tb.execute(", "tb.cell_output_text(", "tb.cell_execute_result(", "tb.patch(", "tb.patch_dict(", "scope="),
    *("TestbookRuntimeError", "TestbookSerializeError", "allow_errors=", "timeout=", "kernel_name=", "file object"),
)
IS_CHECK = re.compile(r"\bassert|pytest\.raises")
CHECKS = """\
import pytest

@pytest.mark.parametrize("code", {})
def test_row(code, notebook):
    exec(code, {{"pytest": pytest, "notebook": notebook, "daily": notebook("notebooks/daily.ipynb")}})
"""


def test_the_examples_of_the_readme(project: Project) -> None:
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", README, re.DOTALL)
    assert len(re.findall("^### ", README, re.MULTILINE)) == 5
    for name, source in blocks:
        if name.endswith(".ipynb"):
            project.write_notebook(name, *cells_of(source))
        else:
            project.write(name, source)
    tests = re.findall(r"^def test_", "".join(source for _, source in blocks), re.MULTILINE)
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", README.partition("## If you know testbook")[2], re.MULTILINE)
    codes = [code for _, text in rows for code in re.findall("`(.+?)`", text) if IS_CHECK.search(code)]
    known = " ".join(of_testbook for of_testbook, _ in rows)
    assert [name for name in TESTBOOK if name not in known] == []
    project.write("tests/test_testbook.py", CHECKS.format(codes))
    project.passes(len(tests) + len(codes))


def test_the_kernels_of_the_fixture(project: Project) -> None:
    shutil.copy(CASES, project.folder / "test_cases.py")
    project.passes(len(re.findall("::", project.run("pytest", *PLUGIN, "--collect-only", "-q").stdout)))


BAD_IMPORTS = {
    "name": (
        "from bad import later",
        "E   ImportError: `later` is assigned in cell 2 of `bad.ipynb` (line {later}) by",
    ),
    "syntax": ("import broken", 'E     File "{folder}/broken.ipynb", line {broken}\nE       a = = 1'),
    "json": ("import no_json", "E   notebook_testing.reading.NotebookError: `no_json.ipynb` is not valid JSON: "),
    "language": ("import of_r", "`of_r.ipynb` is a notebook of the language `r`"),
    "twice": (
        "import twice",
        "`twice` may be `{folder}/twice.ipynb` and `{folder}/notebooks/twice.ipynb`.",
    ),
    "nowhere": ("import bad_at_import", "{folder}/bad_at_import.ipynb:{needs}: in <module>"),
}


def test_what_fails_is_shown_at_the_line_of_the_notebook(project: Project) -> None:
    """One run of pytest, with all failures that its report explains."""
    bad = project.write_notebook("bad.ipynb", "def f():\n    x = 1\n    return later", "\nlater = print()")
    broken = project.write_notebook("broken.ipynb", "b = 1", "a = = 1")
    needs = project.write_notebook("bad_at_import.ipynb", "import nowhere_at_all")
    for name in ("twice.ipynb", "notebooks/twice.ipynb"):
        project.write_notebook(name, "a = 1")
    project.write("no_json.ipynb", "{")
    project.write("of_r.ipynb", json.dumps({"cells": [], "metadata": {"kernelspec": {"language": "R"}}}))
    for name, (statement, _) in BAD_IMPORTS.items():
        project.write(f"test_{name}.py", f"{statement}\n")
    project.write(
        "test_calls.py",
        "import bad\ndef test_import(): bad.f()\ndef test_kernel(notebook): notebook('bad.ipynb').ref('f')(1)\n",
    )
    done = project.run("pytest", *PLUGIN, "--continue-on-collection-errors")
    lines = {
        "later": line_of(bad, "later = print"),
        "broken": line_of(broken, "a = = 1"),
        "needs": line_of(needs, "nowhere_at_all"),
        "folder": str(project.folder),
    }
    for _, expected in BAD_IMPORTS.values():
        assert expected.format(**lines).replace(f"{project.folder}/bad_at", "bad_at") in done.stdout, done.stdout
    assert f"\nbad.ipynb:{line_of(bad, 'return later')}: NameError" in done.stdout
    assert "\n>       return later\n" in done.stdout
    assert "E       NameError: name 'later' is not defined. `later` is assigned in cell 2 of" in done.stdout
    assert f"\nbroken.ipynb:{lines['broken']}: in cell" in done.stdout
    assert "E   TypeError: f() takes 0 positional arguments but 1 was given" in done.stdout
    assert re.search(r"=+ 2 failed, 6 errors in ", done.stdout)


def test_without_ipython_the_fixture_says_so(project: Project) -> None:
    project.write_notebook("a.ipynb", "a = 1")
    project.write("conftest.py", "import sys\nsys.modules['IPython'] = None\n")
    project.write("test_a.py", "def test_a(notebook): notebook('a.ipynb')\n")
    done = project.run("pytest", *PLUGIN)
    assert "The fixture `notebook` needs IPython. Add `ipykernel` to your list of packages." in done.stdout


def lines_of(path: Path, *texts: str) -> list[int]:
    return [line_of(path, text) for text in texts]


HALF = """
import os


def half(x):
    '''Halve.'''
    if x > 1:
        return [
            x / 2,
        ]
    return None
"""
MEASURED = (
    HALF,
    "%precision 2\ndata = half(\n    3\n)",
    "def never():  # pragma: no cover\n    return 1",
    "%%bash\nls",
)
TESTS_OF_MEASURED = """
import imported


def test_import():
    assert imported.half(1) is None


def test_kernel(notebook):
    assert notebook("ran.ipynb", cells=[0, 1]).ref("f")() == 1
"""


def test_coverage_of_cells(project: Project) -> None:
    """By imports, by the fixture, and of a notebook that nobody imports."""
    imported = project.write_notebook("imported.ipynb", *MEASURED)
    ran = project.write_notebook("ran.ipynb", "a = 1\nb = [\n    a,\n]", "def f():\n    return a\n\n\nimport os")
    unused = project.write_notebook("unused.ipynb", "x = 1", "y = = 2")
    project.write("test_all.py", TESTS_OF_MEASURED)
    project.write("rc", "[run]\nplugins = notebook_testing.coverage_plugin\ncore = ctrace\n")
    tests = project.run("coverage", "run", "--rcfile=rc", "--source=.", "-m", "pytest", *PLUGIN)
    assert " 2 passed in " in tests.stdout, tests.stdout + tests.stderr
    for command in ("combine --append", "json -o c.json", "xml -o c.xml", "lcov -o c.lcov", "html -d html"):
        name, *options = command.split()
        done = project.run("coverage", name, "--rcfile=rc", *options)
        assert done.returncode == 0, done.stdout + done.stderr
    files: dict[str, Any] = json.loads((project.folder / "c.json").read_text())["files"]
    assert files.keys() == {"imported.ipynb", "ran.ipynb", "unused.ipynb", "test_all.py"}
    of = files["imported.ipynb"]
    assert of["executed_lines"] == lines_of(imported, "import os", "def half", "if x > 1", "return None")
    assert of["missing_lines"] == lines_of(imported, "return [", "%precision", "data = half")
    assert of["excluded_lines"] == [line_of(imported, "def never"), line_of(imported, "def never") + 1]
    assert files["ran.ipynb"]["executed_lines"] == lines_of(ran, "a = 1", "b = [", "def f", "return a", "import os")
    assert files["ran.ipynb"]["missing_lines"] == []
    assert files["unused.ipynb"]["missing_lines"] == [line_of(unused, "x = 1")]
    # The other reports show the same lines.
    hits = {
        int(line.attrib["number"]): int(line.attrib["hits"])
        for line in ET.parse(project.folder / "c.xml").iterfind(".//class[@filename='imported.ipynb']//line")  # noqa: S314
    }
    assert hits == dict.fromkeys(of["executed_lines"], 1) | dict.fromkeys(of["missing_lines"], 0)
    assert f"SF:imported.ipynb\nDA:{of['executed_lines'][0]},1" in (project.folder / "c.lcov").read_text()
    (page,) = (project.folder / "html").glob("*imported_ipynb.html")
    assert "def half(x):" in re.sub("<[^>]+>", "", page.read_text())
