"""Wrong inputs of execute-notebook: each ends in one sentence with its location and the next step."""

import json
import os
from pathlib import Path

import pytest

from execute_notebook import STAGE
from integration.refusals import RAN, Case, Content, assert_nothing_was_done, assert_refused, prepare, run_here
from integration.suite import PYTHON, READ_ONLY, Workspace, code, notebook, only_tools, parameters, private_mount

SECONDS = "Use a number of seconds above 0, at most ten days (864000)."

YAML_HINT = "Write `name: value`, one per line."


def config(text: str) -> dict[str, Content]:
    return {"notebook-ci.toml": text}


SLUG = "Use up to 64 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`."
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

EXECUTE = {
    # Names and values
    "unknown input": Case(
        {"notebook": "a.ipynb"},
        "The action has no input `notebook`. Did you mean `notebooks`? Known: `notebooks`, `exclude`,",
    ),
    "nothing like any input": Case({"zzz": "1"}, "The action has no input `zzz`. Known: `notebooks`, `exclude`,"),
    "boolean yes": Case({"html": "yes"}, "`html` does not accept `yes`. Use `true` or `false`."),
    "boolean True": Case({"HTML": "True"}, "`html` does not accept `True`. Use `true` or `false`."),
    "timeout in words": Case({"cell-timeout": "ten"}, f"`cell-timeout` does not accept `ten`. {SECONDS}"),
    "timeout with unit": Case({"cell-timeout": "10s"}, f"`cell-timeout` does not accept `10s`. {SECONDS}"),
    "timeout 0": Case({"notebook-timeout": "0"}, f"`notebook-timeout` does not accept `0`. {SECONDS}"),
    "timeout below 0": Case({"notebook-timeout": "-1"}, f"`notebook-timeout` does not accept `-1`. {SECONDS}"),
    "timeout nan": Case({"cell-timeout": "nan"}, f"`cell-timeout` does not accept `nan`. {SECONDS}"),
    "timeout inf": Case({"cell-timeout": "1e999"}, f"`cell-timeout` does not accept `1e999`. {SECONDS}"),
    "slug with a path": Case({"slug": "../x"}, f"`slug` does not accept `../x`. {SLUG}"),
    "slug with an expression": Case({"slug": "${{ x }}"}, f"`slug` does not accept `${{{{ x }}}}`. {SLUG}"),
    "value of two lines": Case({"slug": "a\n::error::b"}, f"`slug` does not accept `a\\n::error::b`. {SLUG}"),
    "NUL": Case({"notebooks": "a\0.ipynb"}, "`notebooks` contains a NUL character."),
    "inputs that are no JSON": Case("{'a': 1}", "The inputs of the step are not JSON: Expecting property name"),
    "inputs that are a list": Case("[1]", "The inputs of the step are `[1]`, not a JSON object."),
    # notebook-ci.toml
    "config: no TOML": Case(
        {}, "`notebook-ci.toml` is not valid TOML", config("[execute-notebook]\nhtml = yes\n"), ("notebook-ci.toml", 2)
    ),
    "config: unknown table": Case(
        {},
        "`notebook-ci.toml` has an unknown table `execute`. Did you mean `execute-notebook`?",
        config("\n[execute]\nhtml = true\n"),
        ("notebook-ci.toml", 2),
    ),
    "config: no table": Case(
        {},
        "`notebooks` is not in the table of a stage. Write `[execute-notebook]` on a line above it.",
        config('notebooks = ["a.ipynb"]\n'),
        ("notebook-ci.toml", 1),
    ),
    "config: unknown key": Case(
        {},
        "`[execute-notebook]` has an unknown key `celltimeout`. Did you mean `cell-timeout`?",
        config("[execute-notebook]\nhtml = true\ncelltimeout = 5\n"),
        ("notebook-ci.toml", 3),
    ),
    "config: wrong value": Case(
        {},
        f"`cell-timeout` in `[execute-notebook]` does not accept `[5]`. {SECONDS}",
        config("[execute-notebook]\ncell-timeout = [5]\n"),
        ("notebook-ci.toml", 2),
    ),
    "config: a value for a table": Case(
        {},
        "`execute-notebook` is not a table. Write `[execute-notebook]` on a line of its own.",
        config("execute-notebook = 3\n"),
        ("notebook-ci.toml", 1),
    ),
    "config: Latin-1": Case(
        {},
        "`notebook-ci.toml` is not UTF-8 text. Save it as UTF-8.",
        {"notebook-ci.toml": "# \xfcber\n".encode("latin-1")},
        ("notebook-ci.toml", 0),
    ),
    "config: a folder": Case(
        {}, "`notebook-ci.toml` is a folder.", {"notebook-ci.toml/x": ""}, ("notebook-ci.toml", 0)
    ),
    # Parameters
    "YAML: tab": Case({"parameters": "a:\n\tb: 1"}, "`parameters` is not valid YAML (line 2): "),
    "YAML: list": Case({"parameters": "- a\n- b"}, f"`parameters` is a list, not a map. {YAML_HINT}"),
    "YAML: text": Case({"parameters": "alpha=1"}, f"`parameters` is `alpha=1`, not a map. {YAML_HINT}"),
    "YAML: duplicate key": Case(
        {"parameters": "alpha: 1\nalpha: 2"}, "`parameters` is not valid YAML (line 2): while constructing a mapping"
    ),
    "YAML: tag": Case(
        {"parameters": "alpha: !!python/object/apply:os.system ['touch ran']"},
        "`parameters` is not valid YAML (line 1): could not determine a constructor for the tag",
    ),
    "YAML: bomb": Case({"parameters": BOMB}, "`parameters` contains more than 100000 values."),
    "YAML: holds itself": Case({"parameters": "alpha: &a [*a]"}, "`parameters` "),
    "YAML: binary": Case({"parameters": "alpha: !!binary aGVsbG8="}, "`parameters` contains `b'hello'`, a bytes."),
    "YAML: a number for a name": Case(
        {"parameters": "1: alpha"}, "`parameters` has the name `1`, which is not text. Put it in quotes."
    ),
    "YAML: two documents": Case({"parameters": "alpha: 1\n---\nalpha: 2"}, "`parameters` is not valid YAML (line 2): "),
    "YAML: not closed": Case({"parameters": "alpha: [1, 2"}, "`parameters` is not valid YAML (line 1): "),
    "nobody declares it": Case(
        {"parameters": "beta: 1"},
        "No notebook declares the parameter `beta`. Parameters are the names assigned in the cell tagged `parameters`: "
        "`alpha`.",
    ),
    "nearly declared": Case(
        {"parameters": "alhpa: 1"}, "No notebook declares the parameter `alhpa`. Did you mean `alpha`?"
    ),
    "another tag": Case(
        {"parameters": "beta: 1", "notebooks": "b.ipynb"},
        "No notebook declares the parameter `beta`. `b.ipynb` has a cell tagged `Parameters`; the tag must be",
        {"b.ipynb": json.dumps(notebook(code("beta = 1", "Parameters")))},
    ),
    "parameters-file: none": Case(
        {"parameters-file": "no.yaml"},
        "`no.yaml` does not exist. `parameters-file` is the path of a YAML file.",
        {},
        ("no.yaml", 0),
    ),
    "parameters-file: a folder": Case(
        {"parameters-file": "p"}, "`p` is a folder. `parameters-file` is the path", {"p/x": ""}, ("p", 0)
    ),
    "parameters-file: Latin-1": Case(
        {"parameters-file": "p.yaml"},
        "`p.yaml` is not UTF-8 text. Save it as UTF-8.",
        {"p.yaml": "a: \xfc".encode("latin-1")},
        ("p.yaml", 0),
    ),
    "parameters-file: no YAML": Case(
        {"parameters-file": "sub/p.yaml"},
        "sub/p.yaml is not valid YAML: ",
        {"sub/p.yaml": "alpha: 1\n\nbeta: {\n"},
        ("sub/p.yaml", 4),
    ),
    "parameters-file: a list": Case(
        {"parameters-file": "p.yaml"}, f"p.yaml is a list, not a map. {YAML_HINT}", {"p.yaml": "- 1\n"}, ("p.yaml", 0)
    ),
    # Which notebooks
    "no match": Case({"notebooks": "nb/*.ipynb"}, "No notebook matches `nb/*.ipynb` in `{cwd}`."),
    "one line without match": Case({"notebooks": "a.ipynb\nb.ipynb"}, "No notebook matches `b.ipynb` in `{cwd}`."),
    "an empty folder": Case({"notebooks": "empty"}, "No notebook matches `empty", {"empty/x.txt": ""}),
    "outside": Case({"notebooks": "../other.ipynb"}, "No notebook matches `../other.ipynb` in `{cwd}`."),
    "outside, and there": Case(
        {"notebooks": "../other.ipynb"}, "`../other.ipynb` is outside the workspace `{cwd}`.", {"../other.ipynb": "{}"}
    ),
    "no notebook": Case(
        {"notebooks": "a.txt"}, "`a.txt` is not a notebook. Names of notebooks end in `.ipynb`, `.py`", {"a.txt": ""}
    ),
    "all left out": Case({"exclude": "**/*.ipynb"}, "`exclude` matches all notebooks."),
    # Which Python and which folders
    "python: none": Case({"python": "py/no"}, "The Python `{cwd}/py/no` (`python`) cannot be run: "),
    "python: a folder": Case({"python": "{cwd}"}, "The Python `{cwd}` (`python`) cannot be run: "),
    "python: a text": Case(
        {"python": "./a.txt"}, "The Python `{cwd}/a.txt` (`python`) cannot be run: ", {"a.txt": "x"}
    ),
    "python: another program": Case(
        {"python": "true"}, "The Python `/usr/bin/true` (`python`) is not a working Python interpreter: "
    ),
    "run-dir: a file": Case({"run-dir": "a.txt"}, "The run directory cannot be created: ", {"a.txt": "x"}),
    "run-dir: below a file": Case({"run-dir": "a.txt/b"}, "The run directory cannot be created: ", {"a.txt": "x"}),
    "output-dir: a file": Case(
        {"output-dir": "a.txt"}, "The folder `{cwd}/a.txt` cannot be created: a file has its name.", {"a.txt": "x"}
    ),
    "run-dir: with somebody's JSON": Case(
        {"run-dir": "runs", "python": ""},
        "{cwd}/runs/other.json is not a notebook-ci record ",
        {"runs/other.json": "[]"},
    ),
}


# Refused by a process of their own: what looks for programs or creates folders, and one of each other kind. All others
# are refused in this process, which takes a fraction of the time.
WHOLE = (
    "unknown input",
    "inputs that are a list",
    "config: unknown key",
    "YAML: tag",
    "parameters-file: no YAML",
    "no match",
)
LOOKING = ("python: ", "run-dir: ", "output-dir: ")


@pytest.mark.parametrize("name", EXECUTE)
def test_execute_notebook_refuses(workspace: Workspace, kernel: Path, name: str) -> None:
    case = EXECUTE[name]
    inputs, message = prepare(workspace, case, {"a.ipynb": RAN})
    if not isinstance(inputs, str):
        inputs = {"python": str(kernel), **inputs}
    if name in WHOLE or name.startswith(LOOKING):
        done = workspace.run("execute-notebook", inputs, environ=case.environ)
    else:
        done = run_here(workspace, STAGE, inputs, case.environ)
    assert_refused(done, case, message)
    assert_nothing_was_done(workspace, "execute-notebook")


# --- Locks and indexes


def test_no_python_for_the_kernel(workspace: Workspace) -> None:
    workspace.write("a.ipynb", RAN)
    programs = workspace.base / "tools" / "Python" / "3.11.0" / "x64" / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to(os.path.realpath(PYTHON))
    environ = {"PATH": only_tools(workspace.base / "path"), "RUNNER_TOOL_CACHE": str(workspace.base / "tools")}
    done = workspace.run("execute-notebook", {}, environ=environ)
    message = "No Python was found to run the notebooks. Run setup-env first, or set `python`"
    assert_refused(done, Case({}, message, code=3), message)


# --- Disks and rights


def test_a_read_only_checkout_on_a_runner_is_enough(workspace: Workspace, kernel: Path) -> None:
    workspace.write("sub/a.ipynb", notebook("print('read', open('data.txt').read())"))
    workspace.write("sub/data.txt", "it")
    environ = {"D": str(workspace.folder)}
    done = workspace.run("execute-notebook", {"python": str(kernel)}, environ=environ, prefix=private_mount(*READ_ONLY))
    assert (done.code, done.printed("sub/a.ipynb")) == (0, "read it\n"), done.log
    local = workspace.run("execute-notebook", environ=environ, prefix=private_mount(*READ_ONLY))
    assert local.code == 2
    assert "error: The run directory cannot be created: " in local.log
    assert "Set these inputs to writable folders: `run-dir`, " in local.log
    for inputs, message in (
        ({"output-dir": "out"}, f"The folder `{workspace.folder}/out` cannot be created: Read-only file system."),
        ({"run-dir": "runs"}, "The run directory cannot be created: "),
    ):
        refused = workspace.run(
            "execute-notebook", {"python": str(kernel), **inputs}, environ=environ, prefix=private_mount(*READ_ONLY)
        )
        assert refused.code in {2, 3}
        assert refused.annotations()[0].message.startswith(message)
        assert "Traceback" not in refused.log


# --- Locales


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_XX.ISO-8859-1"])
def test_a_locale_that_is_not_utf8(workspace: Workspace, kernel: Path, locale: str) -> None:
    workspace.write(
        "ü b/ß 🐧.ipynb", notebook(parameters("text = ''"), "print(text, open('ö.txt', encoding='utf-8').read())")
    )
    workspace.write("ü b/ö.txt", "gelesen")
    environ = {"LC_ALL": locale, "LANG": locale}
    done = workspace.execute(kernel, environ, notebooks="ü b/*.ipynb", parameters="text: Grüße 🐧")
    assert (done.code, done.printed("ü b/ß 🐧.ipynb")) == (0, "Grüße 🐧 gelesen\n"), done.log
    wrong = workspace.execute(kernel, environ, notebooks="ü/ß 🐧.ipynb")
    assert wrong.annotations()[0].message.startswith(f"No notebook matches `ü/ß 🐧.ipynb` in `{workspace.folder}`.")
    flags = ["--python", str(kernel), "--notebooks", "ü/ß.ipynb"]
    local = workspace.run("execute-notebook", flags=flags, environ=environ)
    assert (local.code, "No notebook matches `ü/ß.ipynb`" in local.log) == (2, True), local.log


def test_flags_that_are_wrong(workspace: Workspace) -> None:
    """On a command line the same is said, without the runner's commands."""
    for flags, message in (
        (["--notebook", "x"], "unknown argument `--notebook`. Did you mean `--notebooks`? Known: `--notebooks`,"),
        (["x.ipynb"], "unknown argument `x.ipynb`."),
        (["--cell-timeout", "soon"], f"error: `--cell-timeout` does not accept `soon`. {SECONDS}"),
        (["--html", "maybe"], "error: `--html` does not accept `maybe`. Use `true` or `false`."),
        (["--slug"], "error: The command line was not understood: argument --slug: expected one argument. See "),
    ):
        done = workspace.run("execute-notebook", flags=flags)
        assert (done.code, message in done.log) == (2, True), done.log
        assert "See `launch.sh execute-notebook --help`.\n" in done.log
        assert "Traceback" not in done.log
        assert not (workspace.folder / ".notebook-ci").exists()
