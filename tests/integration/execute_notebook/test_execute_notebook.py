"""execute-notebook with real kernels, as a runner runs it."""

import json
import re
from pathlib import Path

import pytest

from execute_notebook import STAGE
from integration.refusals import run_here
from integration.suite import ROOT, Workspace, code, in_the_tool_environment, markdown, notebook, parameters

FRESH = {"executed": "0", "failed": "0"}


# --- Where it runs and what it leaves


def test_outputs_are_mirrored_and_inputs_untouched(workspace: Workspace, kernel: Path) -> None:
    where = "import os\nprint(os.getcwd())\nopen('made.txt', 'w').write('x')"
    first = workspace.write("a/1.ipynb", notebook(markdown("# Title"), where), indent=None)
    second = workspace.write("a/ü b/2.ipynb", notebook(where, metadata={}), indent=3)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (first, second)}
    done = workspace.execute(kernel, notebooks="a", output_dir="out/put")
    assert done.code == 0, done.log
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert done.outputs["output-dir"] == str(workspace.folder / "out/put")
    assert done.printed("a/1.ipynb").strip() == str(first.parent)
    assert done.printed("a/ü b/2.ipynb").strip() == str(second.parent)
    assert (second.parent / "made.txt").exists()
    assert sorted(path.name for path in (workspace.folder / "out").rglob("*") if path.is_file()) == [
        "1.ipynb",
        "2.ipynb",
    ]
    assert done.notebooks["a/1.ipynb"]["output"] == str(workspace.folder / "out/put/a/1.ipynb")
    assert not workspace.leftovers()
    again = workspace.execute(kernel, output_dir="out/put")
    assert again.outputs["executed"] == "2", "outputs of an earlier run are no notebooks to execute"


def test_the_output_stands_in_the_run_directory_and_each_run_has_its_own(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1 + 1"))
    first, second = workspace.execute(kernel), workspace.execute(kernel, slug="py-3.11")
    third = workspace.execute(kernel)
    root = workspace.runner_temp / "notebook-ci"
    names = ["execute-notebook", "execute-notebook-py-3.11", "execute-notebook-2"]
    for done, name in zip((first, second, third), names, strict=True):
        assert done.outputs["output-dir"] == str(root / name)
        assert done.outputs["record"] == str(root / f"{name}.json")
        assert done.record["notebooks"][0]["output"] == f"{name}/a.ipynb"
        assert done.record["created"].keys() == {f"{name}/a.ipynb"}
        assert done.executed("a.ipynb")["cells"][0]["outputs"][0]["data"]["text/plain"] in ("2", ["2"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"output-dir": "."}, "which contains the notebooks. Set `output-dir` to a folder of its own."),
        ({"output-dir": ".."}, "which contains the notebooks. Set `output-dir` to a folder of its own."),
        ({"output-dir": "out"}, "`sub/b.ipynb` would be overwritten by its executed copy."),
        (
            {"output-dir": "sub", "notebooks": "sub/b.ipynb"},
            "`sub/b.ipynb` is in `output-dir` or the run directory",
        ),
        ({"run-dir": "."}, "which contains your notebooks. Name a separate folder with `run-dir`."),
    ],
    ids=["the workspace", "above it", "by a link", "an output", "run-dir"],
)
def test_sources_are_never_written_over(workspace: Workspace, inputs: dict[str, str], message: str) -> None:
    sources = [workspace.write(name, notebook("open('ran', 'w')")) for name in ("a.ipynb", "sub/b.ipynb")]
    before = [path.read_bytes() for path in sources]
    (workspace.folder / "out").mkdir()
    (workspace.folder / "out" / "sub").symlink_to(workspace.folder / "sub")
    done = run_here(workspace, STAGE, inputs)
    assert done.code == 2
    assert message in done.annotations()[0].message
    assert [path.read_bytes() for path in sources] == before
    assert not list(workspace.folder.rglob("ran"))


def test_of_a_repeated_id_the_first_cell_keeps_it(workspace: Workspace, kernel: Path) -> None:
    cells = [{**code("1"), "id": name} for name in ("a", "a", "b", 5)]
    workspace.write("a.ipynb", notebook(*cells))
    ids = [cell["id"] for cell in workspace.execute(kernel).executed("a.ipynb")["cells"]]
    assert (ids[0], ids[2], len(set(ids))) == ("a", "b", 4)


# --- What is selected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, ["a.ipynb", "deep/er/c.ipynb", "deep/b.ipynb"]),
        ({"notebooks": "*.ipynb"}, ["a.ipynb"]),
        ({"notebooks": "deep"}, ["deep/b.ipynb", "deep/er/c.ipynb"]),
        ({"notebooks": "deep/*.ipynb\n\n a.ipynb \na.ipynb"}, ["a.ipynb", "deep/b.ipynb"]),
        ({"notebooks": "**/[bc].ipynb", "exclude": "deep/er\nnot/there.ipynb"}, ["deep/b.ipynb"]),
        ({"exclude": "deep/**/*.ipynb"}, ["a.ipynb"]),
        ({"notebooks": ".hidden/h.ipynb"}, [".hidden/h.ipynb"]),
    ],
    ids=["all", "glob", "folder", "lines", "exclude", "exclude glob", "hidden, by name"],
)
def test_selection(workspace: Workspace, inputs: dict[str, str], expected: list[str]) -> None:
    for name in ("a.ipynb", "deep/b.ipynb", "deep/er/c.ipynb", ".hidden/h.ipynb", "env/lib/v.ipynb"):
        workspace.write(name, notebook())
    workspace.write("env/pyvenv.cfg", "")
    workspace.write("deep/.ipynb_checkpoints/b-checkpoint.ipynb", notebook())
    workspace.write("deep/text.md", "x")
    done = run_here(workspace, STAGE, inputs, flags=["--plan"])
    [line] = re.findall(r"^  execute \d notebooks?: (.*)$", done.log, re.MULTILINE)
    assert (done.code, sorted(line.split(", "))) == (0, sorted(expected)), done.log
    unused = "`exclude` lists `not/there.ipynb`, which matches no notebook."
    notices = [each.message.partition(" Did you mean ")[0] for each in done.annotations("notice")]
    assert notices == [unused] * ("not/there" in str(inputs))


# --- Metrics and pages


METRICS = """
from IPython.display import display
display({"application/vnd.notebook-ci.metrics+json": {"accuracy": 0.5, "rows": 3}}, raw=True)
for name, data in {"loss": 0.25, "classes": ["a", "b"]}.items():
    scrap = {"name": name, "data": data, "encoder": "json", "version": 1}
    display({"application/scrapbook.scrap.json+json": scrap}, raw=True)
display({"application/vnd.notebook-ci.metrics+json": {"accuracy": 0.75, "bad": float("nan")}}, raw=True)
"""


def test_metrics_stand_in_record_and_summary(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(METRICS, "1 / 0"))
    workspace.write("deep/b.ipynb", notebook(METRICS.replace('"rows": 3', '"only_b": 1e-9')))
    done = workspace.execute(kernel)
    assert done.notebooks["a.ipynb"]["metrics"] == {"accuracy": 0.75, "rows": 3, "loss": 0.25}, "also of a failed one"
    assert done.notebooks["a.ipynb"]["scraps"] == {"classes": ["a", "b"]}
    assert done.record["metrics"] == {
        "a.accuracy": 0.75,
        "deep/b.accuracy": 0.75,
        "rows": 3,
        "a.loss": 0.25,
        "deep/b.loss": 0.25,
        "only_b": 1e-9,
    }
    assert "1e-09" in done.summary
    warnings = [warning for warning in done.annotations("warning") if warning.place[0] == "a.ipynb"]
    assert len(warnings) == 1
    assert warnings[0].message.startswith("Cell 1: The metric `bad` is ")


def test_a_failed_notebook_has_a_page(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a/page.ipynb", notebook("1 / 0"))
    done = workspace.execute(kernel, html="true")
    result = done.notebooks["a/page.ipynb"]
    assert result["html"] == "execute-notebook/a/page.html"
    assert result["html"] in done.record["created"]
    assert "ZeroDivisionError" in (Path(done.outputs["output-dir"]) / "a/page.html").read_text(encoding="utf-8")


def test_making_a_page_prints_nothing(workspace: Workspace) -> None:
    """What nbconvert warns of (lexers of another environment, types it cannot show) is nothing to act on."""
    info = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    written = workspace.write("a.ipynb", notebook("1", markdown("```nonesuch\nx\n```"), metadata=info))
    page = written.with_suffix(".html")
    script = "import nbformat, pathlib\nfrom notebook_ci.execute_notebook.html import render\n"
    script += f"render(nbformat.read({str(written)!r}, as_version=4), pathlib.Path({str(page)!r}))"
    done = in_the_tool_environment(workspace, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.exists()


def test_without_the_input_there_is_no_page(workspace: Workspace, kernel: Path) -> None:
    workspace.write("page.ipynb", notebook("1"))
    done = workspace.execute(kernel)
    assert (done.notebooks["page.ipynb"]["html"], list(workspace.base.rglob("*.html"))) == ("", [])


# --- From a shell


def test_from_a_shell_flags_and_the_config_are_the_inputs(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(parameters("x = 1"), "print(x)"))
    workspace.write("b.ipynb", notebook("1"))
    workspace.write(
        "notebook-ci.toml", "[execute-notebook]\nexclude = ['b.ipynb']\n[execute-notebook.parameters]\nx = 5\n"
    )
    done = workspace.run("execute-notebook", flags=["--python", str(kernel)])
    assert done.code == 0, done.log
    assert re.search("✓ execute-notebook", done.log), "the summary"
    assert not done.commands
    [run] = (workspace.folder / ".notebook-ci" / "runs").iterdir()
    record = json.loads((run / "execute-notebook.json").read_text())
    assert [(result["path"], result["parameters"]) for result in record["notebooks"]] == [("a.ipynb", {"x": 5})]
    again = workspace.run("execute-notebook", flags=["--python", str(kernel), "--parameters", "x: 6"])
    assert again.code == 0, again.log
    assert len(list((workspace.folder / ".notebook-ci" / "runs").iterdir())) == 2


def test_the_suite_itself_is_not_written_to() -> None:
    """Nothing above may have left a trace beside the scripts."""
    names = {path.name for path in (ROOT / "scripts").rglob("*") if path.suffix in {".ipynb", ".json", ".log"}}
    assert not names - {path.name for path in (ROOT / "scripts").rglob(".mypy_cache/**/*")}
