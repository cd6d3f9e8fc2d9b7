"""Notebooks that are scripts or Markdown: all formats of jupytext in one run, failing ones with their lines."""

import hashlib
from pathlib import Path

import pytest

from integration.suite import Done, Workspace, line_of, notebook

FAILS, TWICE = "1 / 0  # here", "1 / (1 - n)"


def script(form: str, *lines: str, more: str = "") -> str:
    """Return a script with the header that jupytext writes."""
    header = f"""
jupyter:
  jupytext: {{text_representation: {{extension: .py, format_name: {form}}}}}
  kernelspec: {{display_name: Python 3, language: python, name: python3}}{more}
""".strip()
    return "\n".join(["# ---", *(f"# {line}" for line in header.splitlines()), "# ---", "", *lines, ""])


def markdown(*lines: str, jupyter: bool = True, more: str = "") -> str:
    header = "kernelspec: {display_name: Python 3, language: python, name: python3}" + more
    lead = ["jupyter:", f"  {header}"] if jupyter else [header]
    return "\n".join(["---", *lead, "---", "", *lines, ""])


FAILING: dict[str, str | bytes] = {
    "percent.py": script("percent", "# %% [markdown]", "# text", "# %%", "# %time 1", "x = [", "  1", "]", "", FAILS),
    "no-header.py": f"import os\n\n\n# %% title\n\n{FAILS}\n",
    "light.py": script("light", "# text", "# more", "", "x = 1", "", "# + tags=['a']", "# !true", FAILS, "", "# -"),
    "regions.py": script("light", "# region One", "x = 1", "", FAILS, "# endregion"),
    "only-in-jupyter.py": script("light", '# + active="ipynb"', "# # a comment", f"# {FAILS}", "# -"),
    "raw.py": script("percent", "# %% [raw]", f"# {FAILS[:3]}", "# %% [markdown]", '"""', "text", '"""', "# %%", FAILS),
    "hydrogen.py": script("hydrogen", "# %%", "%time 1", "# %%", "%%time", "", FAILS),
    "sphinx.py": script(  # jupytext adds a first cell, `%matplotlib inline`, which fails here
        *("sphinx", '"""', "Title", '"""', "x = 1", "", "#" * 30, "# text", "", FAILS),
        more="\n  notebook-ci: {on-cell-error: continue}",
    ),
    "bash.py": script("percent", '# %% language="bash"', "# true", "# exit 3"),
    "indented.py": script("light", "def f():", "    x = 1", "", f"    {FAILS}", "", "x = 2", "", "f()"),
    "twice.py": 2 * f"# %%\nn = globals().get('n', -1) + 1\n{TWICE}\n",
    "crlf.py": script("percent", "# %%", "x = 1", "# %%", "# %time 1", FAILS).replace("\n", "\r\n").encode(),
    "bom.py": b"\xef\xbb\xbf" + script("percent", "# %%", FAILS).encode(),
    "separators.py": script("percent", "# %%", "x = 1\x0cy = 2 # \u2028", "# %%", FAILS),
    "größe 日本.py": script("percent", "# %%", "größe = '日本'", FAILS),
    "plain.md": markdown(
        *("# Title", "", "```python", "x = 1", "```", "", "```", FAILS[:5], "```", "", "```python", FAILS, "```")
    ),
    "fences.md": markdown("````python", '"""', "```", '"""', FAILS, "````"),
    "myst.md": markdown(
        *("# Title", "", "```{code-cell} ipython3", ":tags: [a, b]", "", "%time 1", "```", "", "+++", "", "more", ""),
        *("```{code-cell} ipython3", "---", "tags: [c]", "---", "x = 1", FAILS, "```"),
        jupyter=False,
    ),
    "chunks.Rmd": f'---\ntitle: x\n---\n\n# Title\n\n```{{python tags=c("a")}}\n# %time 1\n{FAILS}\n```\n',
}  # fmt: skip
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "header.py": (
        "# ---\n# jupyter:\n#   a: [1\n# ---\n# %%\n1\n",
        "`header.py` cannot be read by jupytext: ParserError: while parsing a flow sequence",
    ),
    "no-map.md": ("---\njupyter:\n  - a\n---\n", "`no-map.md` cannot be read by jupytext: AttributeError"),
    "format.py": (script("foo"), "`format.py` cannot be read by jupytext: JupytextFormatError: foo is not a valid"),
    "marimo.py": (script("marimo"), "ValueError: the format `marimo` needs another program."),
    "pandoc.md": (markdown("::: {.cell}", ":::"), "ValueError: the format `pandoc` needs another program."),
    "empty.py": ("", "`empty.py` is empty."),
    "binary.py": (b"\x7fELF\xff\xfe", "`binary.py` is not UTF-8 text: line 1 contains the byte 0xff."),
    "utf-16.py": (FAILS.encode("utf-16"), "`utf-16.py` is encoded in UTF-16."),
    "large.py": (f"# %%\n{'#' * 2**20}\n", "`large.py` is larger than 1 MiB."),
    "tags.py": ("# %% tags='a'\n1\n", "`tags.py` cannot be read by jupytext: NotebookValidationError"),
    "lost-tags.py": (
        "# %% tags=[parameters]\n1\n",
        "Cell 1 of `lost-tags.py` has tags that jupytext cannot read.",
    ),
    "settings.py": (
        script("percent", "# %%", "1", more="\n  notebook-ci: {retries: many}"),
        "`retries` of `notebook-ci` in the notebook's metadata does not accept",
    ),
    "julia.py": (
        script("percent", "# %%", "1").replace("language: python, name: python3", "language: julia, name: julia-1"),
        "`julia.py` needs the kernel `julia-1` for `julia`, which is not installed.",
    ),
    "chunks-of-r.Rmd": ("```{r}\n1\n```\n", "`chunks-of-r.Rmd` needs a kernel for `r`, which is not installed."),
    "named.py": ("import os\n", "`named.py` is not a notebook: it has no header of Jupyter and no cell markers."),
}
PASSING = {
    "first.py": script(
        *("percent", "# %% tags=['parameters']", "alpha = 1", "# %% tags=['skip-execution']", "1 / 0", "# %%"),
        *("import helpers, nbmissing  # absent", "# %%", "print(helpers.VALUE, alpha)"),
    ).replace("import helpers, nbmissing", "import helpers\ntry:\n    pass\nfinally:\n    import nbmissing"),
    "second.md": markdown(
        *("```{code-cell}", ":tags: [parameters]", "", "beta = 0", "```", "```{code-cell}", "print(beta)", "```"),
        jupyter=False,
        more="\nnotebook-ci: {cell-timeout: 77}",
    ),
}


def written(folder: Path) -> Workspace:
    workspace = Workspace(folder)
    refused = {name: content for name, (content, _) in REFUSED.items()}
    for name, content in (FAILING | refused | PASSING).items():
        workspace.write(name, content)
    workspace.write("helpers.py", "VALUE = 'local'\n")
    workspace.write("README.md", "# Title\n\n```python\n1 / 0\n```\n")
    return workspace


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = written(tmp_path_factory.mktemp("texts"))
    done = workspace.execute(
        kernel,
        notebooks="**/*.py\n*.md\n*.Rmd\nnamed.py\nempty.py\nbinary.py\nutf-16.py",
        parameters="alpha: 5",
        sweep="- {beta: 1}\n- {beta: 2}",
        needs="second.md: [first.py]",
        html="true",
    )
    return workspace, done


def test_a_failing_cell_is_annotated_on_its_line_of_the_text(ran: tuple[Workspace, Done]) -> None:
    workspace, done = ran
    assert (done.code, done.outputs["status"]) == (1, "failed"), done.log
    annotated = {each.place[0]: each.place[1] for each in done.annotations()}  # GitHub shows only some
    for name in FAILING:
        special = {"bash.py": '# %% language="bash"', "twice.py": TWICE}
        line = line_of(workspace.folder / name, special.get(name, FAILS), 2 if name == "twice.py" else 1)
        result = done.notebooks[name]
        failure = [result["failure"], *result["other_failures"]][-1]
        assert (failure["line"], annotated.get(name, line)) == (line, line), (name, failure)
        assert failure["source"] in {FAILS, TWICE, "%%bash"}
        assert done.executed(str(Path(name).with_suffix(".ipynb")))["nbformat"] == 4
        assert done.record["read"][name] == hashlib.sha256((workspace.folder / name).read_bytes()).hexdigest()


def test_what_is_not_a_notebook_is_refused_or_left_out(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    for name, (_, message) in REFUSED.items():
        failure = done.notebooks[name]["failure"]
        assert (failure["kind"], message in failure["message"]) == ("invalid-notebook", True), failure
        assert failure["hint"], name
    [notice] = [each.message for each in done.annotations("notice") if each.message.startswith("Not executed, because")]
    assert notice.endswith(": README.md, helpers.py."), notice
    assert not {"README.md", "helpers.py"}.intersection(done.notebooks)


def test_parameters_settings_tags_and_imports_are_those_of_the_text(ran: tuple[Workspace, Done]) -> None:
    workspace, done = ran
    first, *swept = (done.notebooks[name] for name in ("first.py", "second@beta=1.md", "second@beta=2.md"))
    assert [each["status"] for each in (first, *swept)] == ["failed", "skipped", "skipped"]
    assert (first["failure"]["ename"], first["parameters"]) == ("ModuleNotFoundError", {"alpha": 5})
    assert first["failure"]["line"] == line_of(workspace.folder / "first.py", "import nbmissing")
    [missing] = [each for each in done.annotations("warning") if "imports `nbmissing`" in each.message]
    assert missing.place == ("first.py", first["failure"]["line"])
    assert swept[0]["settings"] == {"cell-timeout": 77}


def test_the_plan_says_what_it_cannot_know(tmp_path: Path) -> None:
    workspace = written(tmp_path)
    empty = {"NOTEBOOK_CI_CACHE": str(tmp_path / "cache")}
    inputs = {"notebooks": "first.py\nnamed.py\nempty.py"}
    done = workspace.run("execute-notebook", inputs, flags=["--plan"], environ=empty)
    assert done.code == 0, done.log
    assert "not known before jupytext is installed: cells and parameters of first.py" in done.log
    assert "fail named.py: `named.py` is not a notebook" in done.log
    assert "fail empty.py: `empty.py` is empty." in done.log
    assert not list((tmp_path / "cache").glob("execute-notebook-*"))


def test_a_pair_is_executed_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("a.ipynb", notebook("1"))
    workspace.write("a.py", script("percent", "# %%", "1"))
    refused = workspace.run("execute-notebook", {"notebooks": "*.ipynb\n*.py"}, flags=["--plan"])
    assert refused.code == 2
    assert "The executed copies of `a.ipynb` and `a.py` would have the same name: `a.ipynb`." in refused.log
    for inputs in ({}, {"notebooks": "*.ipynb\n*.py", "exclude": "*.py"}, {"notebooks": "."}):
        planned = workspace.run("execute-notebook", inputs, flags=["--plan"])
        assert "execute 1 notebook: a.ipynb" in planned.log, planned.log
