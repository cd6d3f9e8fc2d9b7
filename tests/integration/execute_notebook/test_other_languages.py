"""Notebooks of other languages than Python: run by the kernel they name, which is always started."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.suite import (
    Done,
    Workspace,
    code,
    copied_environment,
    in_the_tool_environment,
    install,
    line_of,
    notebook,
    parameters,
)
from servers.shared import made_once

BASH = {"kernelspec": {"name": "bash", "display_name": "Bash", "language": "bash"}}


@pytest.fixture(scope="session")
def bash(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Path:
    """The Python of an environment with ipykernel, and beside it a kernel of bash."""
    return made_once(tmp_path_factory, "bash", lambda folder: with_bash(folder, kernel))


def with_bash(folder: Path, kernel: Path) -> Path:
    python = copied_environment(kernel, folder / "environment")
    install(python, "bash_kernel")
    subprocess.run([python, "-m", "bash_kernel.install", "--prefix", python.parents[1]], check=True)
    return python


def specification(workspace: Workspace, name: str, **content: Any) -> dict[str, str]:
    """Write the specification of a kernel. Returns the environment in which Jupyter finds it."""
    workspace.write(f"jupyter/kernels/{name}/kernel.json", content)
    return {"JUPYTER_PATH": str(workspace.folder / "jupyter")}


def of_language(language: str, name: str = "") -> dict[str, Any]:
    """Return the metadata of a notebook."""
    return {"kernelspec": {"name": name, "language": language}} if name else {"language_info": {"name": language}}


def faults(done: Done) -> dict[str, str]:
    return {error.place[0]: error.message for error in done.annotations()}


ARGV = ["python3", "-m", "bash_kernel", "-f", "{connection_file}"]


def test_it_runs_beside_notebooks_for_python(workspace: Workspace, bash: Path) -> None:
    shown = ["echo $n $name $0 $PS1", "pwd", "command -v python"]
    workspace.write("deep/a.ipynb", notebook(parameters("n=1\nname=none"), *shown, metadata=BASH))
    workspace.write("b.ipynb", notebook("import colorsys\nprint(1)"))
    done = workspace.execute(bash, parameters="{n: 5, name: 'it is'}", preload="colorsys")
    assert done.code == 0, done.log
    of_bash, of_python = done.notebooks["deep/a.ipynb"], done.notebooks["b.ipynb"]
    assert (of_bash["kernel"], of_bash["kernel_start"], of_bash["preloaded"]) == ("bash", "spawn", [])
    assert (of_python["kernel"], of_python["kernel_start"], of_python["preloaded"]) == ("", "fork", ["colorsys"])
    assert of_bash["parameters"] == {"n": 5, "name": "it is"}
    assert (of_bash["cells"], of_bash["executed_cells"]) == (4, 4)
    told = done.printed("deep/a.ipynb").splitlines()
    assert told[0].startswith("5 it is ")
    assert told[1:] == [str(workspace.folder / "deep"), str(bash.parent / "python")]
    assert f"deep/a.ipynb: runs with the kernel `bash` ({bash.parents[1] / 'share/jupyter/kernels/bash'})." in done.log
    assert not done.annotations("notice")


def test_a_failing_cell_is_named(workspace: Workspace, bash: Path) -> None:
    path = workspace.write("a.ipynb", notebook("echo fine", "echo first\n(exit 3)", "echo never", metadata=BASH))
    continues = {**BASH, "notebook-ci": {"on-cell-error": "continue"}}
    workspace.write("b.ipynb", notebook("(exit 4)", "echo second", "(exit 5)", "echo last", metadata=continues))
    done = workspace.execute(bash)
    failure = done.notebooks["a.ipynb"]["failure"]
    assert (failure["kind"], failure["title"], failure["message"]) == ("cell-error", "Error in cell 2", "3")
    assert (failure["line"], failure["evalue"]) == (line_of(path, "echo first"), "3")
    assert done.notebooks["a.ipynb"]["executed_cells"] == 2
    assert done.printed("a.ipynb") == "fine\nfirst\n"
    result = done.notebooks["b.ipynb"]
    assert [each["evalue"] for each in (result["failure"], *result["other_failures"])] == ["4", "5"]
    assert done.printed("b.ipynb") == "second\nlast\n"


REPLIES = """from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class Replies(Kernel):
    implementation = implementation_version = banner = "replies"
    language_info = {"name": "replies", "mimetype": "text/plain", "file_extension": ".txt"}

    async def do_execute(self, code, silent, *_, **__):
        self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": "said"})
        named = {"ename": "", "evalue": "", "traceback": []} if code == "error" else {}
        return {"status": code, "execution_count": self.execution_count, **named}


IPKernelApp.launch_instance(kernel_class=Replies)
"""


def test_a_kernel_that_only_replies_that_a_cell_failed(workspace: Workspace, kernel: Path) -> None:
    """Without a name, and without an error output."""
    metadata = {"kernelspec": {"name": "replies", "display_name": "replies", "language": "replies"}}
    for reply in ("ok", "error", "aborted"):
        workspace.write(f"{reply}.ipynb", notebook(reply, "ok", metadata=metadata))
    workspace.write("tagged.ipynb", notebook(code("aborted", "raises-exception"), "ok", metadata=metadata))
    script = workspace.write("replies.py", REPLIES)
    environ = specification(
        workspace, "replies", argv=[str(kernel), str(script), "-f", "{connection_file}"], language="replies"
    )
    done = workspace.execute(kernel, environ)
    told = {name: (each["status"], each["executed_cells"]) for name, each in done.notebooks.items()}
    assert told == {
        "aborted.ipynb": ("failed", 1),
        "error.ipynb": ("failed", 1),
        "ok.ipynb": ("passed", 2),
        "tagged.ipynb": ("passed", 2),
    }, done.log
    assert faults(done)["aborted.ipynb"].startswith("The kernel did not finish this cell.")


@pytest.mark.parametrize(
    ("source", "kind"), [("sleep 86.25", "cell-timeout"), ("kill -9 $PPID; sleep 86.25", "kernel-died")]
)
def test_one_that_hangs_or_dies_ends(workspace: Workspace, bash: Path, source: str, kind: str) -> None:
    workspace.write("a.ipynb", notebook("setsid sleep 87.25 &", source, metadata=BASH))
    done = workspace.execute(bash, cell_timeout="2")
    failure = done.notebooks["a.ipynb"]["failure"]
    assert (done.code, failure["kind"], failure["cell"]) == (1, kind, 2), done.log
    assert not workspace.processes()
    assert not workspace.leftovers()


def test_a_kernel_that_is_not_installed(workspace: Workspace, bash: Path) -> None:
    workspace.write("r.ipynb", notebook("x <- 1", metadata=of_language("R", "ir")))
    workspace.write("s.ipynb", notebook("val x = 1", metadata=of_language("scala")))
    workspace.write("b.ipynb", notebook("echo yes", metadata=BASH))
    done = workspace.execute(bash)
    folder = bash.parents[1] / "share/jupyter/kernels"
    where = f"Install it where Jupyter finds it, such as `{folder}`, or add the notebook"
    assert faults(done) == {
        "r.ipynb": f"`r.ipynb` needs the kernel `ir` for `r`, which is not installed. {where} to `exclude`.",
        "s.ipynb": f"`s.ipynb` needs a kernel for `scala`, which is not installed. {where} to `exclude`.",
    }
    assert (done.code, done.outputs["failed"], done.notebooks["b.ipynb"]["status"]) == (1, "2", "passed")


def test_another_kernel_of_its_language_runs_it(workspace: Workspace, bash: Path) -> None:
    workspace.write("a.ipynb", notebook("echo yes", metadata=of_language("Bash", "bash-4.1")))
    done = workspace.execute(bash)
    folder = bash.parents[1] / "share/jupyter/kernels/bash"
    assert (done.code, done.printed("a.ipynb")) == (0, "yes\n"), done.log
    [notice] = done.annotations("notice")
    assert (
        notice.message
        == f"a.ipynb: saved with the kernel `bash-4.1`. Runs here with the kernel `bash` ({folder}) instead."
    )
    # Which of two would be a guess.
    environ = specification(workspace, "other", argv=ARGV, language="bash", display_name="Other")
    fault = faults(workspace.execute(bash, environ))["a.ipynb"]
    assert "needs the kernel `bash-4.1` for `bash`, which is not installed. Installed for this language: bash," in fault


def test_kernels_that_jupyter_finds_elsewhere(workspace: Workspace, bash: Path) -> None:
    """`python` in a specification is the notebooks' Python; what it sets for its kernel is set."""
    environ = specification(workspace, "Mine", argv=ARGV, language="shell", display_name="Mine", env={"GREETING": "hi"})
    workspace.write(
        "a.ipynb",
        notebook("echo $GREETING $(tr '\\0' ' ' < /proc/$PPID/cmdline)", metadata=of_language("shell", "mine")),
    )
    done = workspace.execute(bash, environ)
    assert (done.code, done.notebooks["a.ipynb"]["kernel"]) == (0, "mine"), done.log
    assert done.printed("a.ipynb").startswith(f"hi {bash} -m bash_kernel")


# Contents of a specification, and why it is refused.
BROKEN = [
    ("{", "is broken: Expecting property name"),
    ("[]", "is broken: "),
    ('{"argv": 1, "language": "x"}', "is broken: The 'argv' trait"),
    ('{"language": "x"}', "is broken: `argv` and `env` must contain text"),
    ('{"argv": [""], "language": "x"}', "is broken: `argv` and `env` must contain text"),
    ("[" * 100_000, "is broken: maximum recursion depth exceeded"),
    ('{"argv": [1], "language": "x"}', "is broken: `argv` and `env` must contain text"),
    ('{"argv": ["x"], "env": {"A": 1}, "language": "x"}', "is broken: `argv` and `env` must contain text"),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, bash: Path) -> tuple[Workspace, Done]:
    """A notebook for each broken specification, and one of a language without any."""
    return made_once(tmp_path_factory, "broken-specifications", lambda folder: run_broken(Workspace(folder), bash))


def run_broken(workspace: Workspace, bash: Path) -> tuple[Workspace, Done]:
    for number, (content, _) in enumerate(BROKEN):
        workspace.write(f"jupyter/kernels/mine{number}/kernel.json", content)
        workspace.write(f"{number}.ipynb", notebook("x", metadata=of_language("x", f"mine{number}")))
    workspace.write("other.ipynb", notebook("x", metadata=of_language("y")))
    done = workspace.execute(bash, {"JUPYTER_PATH": str(workspace.folder / "jupyter")})
    return workspace, done


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_broken_specification(broken: tuple[Workspace, Done], number: int) -> None:
    workspace, done = broken
    path, (_, why) = workspace.folder / f"jupyter/kernels/mine{number}/kernel.json", BROKEN[number]
    said = f"The kernel `mine{number}` of `{number}.ipynb` cannot be started: `{path}` {why}"
    assert faults(done)[f"{number}.ipynb"].startswith(said)


def test_broken_specifications_are_not_of_any_language(broken: tuple[Workspace, Done]) -> None:
    _, done = broken
    said = "`other.ipynb` needs a kernel for `y`, which is not installed. Install"
    assert faults(done)["other.ipynb"].startswith(said)


# What a specification starts, and why it does not.
NOT_STARTING = {
    "no program": (
        ["no-such-program"],
        "`no-such-program` cannot be started: no-such-program: No such file or directory",
    ),
    "null": (["true", "\0"], "cannot be started: embedded null byte"),
    "ends": (["false"], "it ended with exit code 1"),
}


@pytest.fixture(scope="module")
def not_starting(tmp_path_factory: pytest.TempPathFactory, bash: Path) -> Done:
    return made_once(tmp_path_factory, "not-starting", lambda folder: run_not_starting(Workspace(folder), bash))


def run_not_starting(workspace: Workspace, bash: Path) -> Done:
    for number, (name, (argv, _)) in enumerate(NOT_STARTING.items()):
        environ = specification(workspace, f"mine{number}", argv=argv, language="x", display_name="Mine")
        workspace.write(f"{name}.ipynb", notebook("x", metadata=of_language("x", f"mine{number}")))
    return workspace.execute(bash, environ)


@pytest.mark.parametrize("name", NOT_STARTING)
def test_a_kernel_that_does_not_start(not_starting: Done, name: str) -> None:
    failure = not_starting.notebooks[f"{name}.ipynb"]["failure"]
    assert (not_starting.code, failure["kind"]) == (1, "kernel-not-started"), not_starting.log
    assert failure["message"].startswith("The kernel did not start: ")
    assert failure["message"].endswith(f"{NOT_STARTING[name][1]}.")
    assert "Traceback" not in not_starting.log


def test_without_notebooks_for_python_no_ipykernel_is_needed(workspace: Workspace, bash: Path, bare: Path) -> None:
    environ = specification(workspace, "mine", argv=[str(bash), *ARGV[1:]], language="bash", display_name="Mine")
    workspace.write("a.ipynb", notebook("echo yes", metadata=of_language("bash", "mine")))
    done = workspace.execute(bare, environ)
    assert (done.code, done.printed("a.ipynb")) == (0, "yes\n"), done.log
    workspace.write("r.ipynb", notebook("x <- 1", metadata=of_language("R", "ir")))
    done = workspace.execute(bare, environ)
    assert (done.code, list(faults(done))) == (1, ["r.ipynb"]), done.log
    assert done.printed("a.ipynb") == "yes\n"
    workspace.write("b.ipynb", notebook("1"))
    done = workspace.execute(bare, environ)
    assert done.code == 3
    assert "has no ipykernel" in done.annotations()[0].message


def test_a_sweep(workspace: Workspace, bash: Path) -> None:
    workspace.write("a.ipynb", notebook(parameters("n=1"), "echo $n", metadata=BASH))
    done = workspace.execute(bash, sweep="[{n: 2}, {n: 3}]")
    assert [done.printed(f"a@n={number}.ipynb") for number in "23"] == ["2\n", "3\n"], done.log


def test_parameters_that_cannot_be_set(workspace: Workspace, bash: Path) -> None:
    environ = specification(workspace, "mine", argv=ARGV, language="shell", display_name="Mine")
    workspace.write("a.ipynb", notebook(parameters("n=1"), metadata=of_language("shell", "mine")))
    done = workspace.execute(bash, environ, parameters="n: 2")
    assert done.code == 2
    [error] = done.annotations()
    assert error.message == (
        "No notebook declares the parameter `n`. `a.ipynb` has parameters in `shell`, which papermill cannot set."
    )
    workspace.write("b.ipynb", notebook(parameters("alpha=1")))
    [error] = workspace.execute(bash, environ, parameters="alhpa: 2").annotations()
    assert error.message.startswith("No notebook declares the parameter `alhpa`. Did you mean `alpha`?")
    workspace.write("a.ipynb", notebook(parameters("n=1"), metadata=BASH))
    done = workspace.execute(bash, parameters="n: {a: 1}")
    assert (done.code, done.notebooks["a.ipynb"]["failure"]["kind"]) == (1, "invalid-notebook"), done.log
    fault = faults(done)["a.ipynb"]
    assert fault.startswith("papermill cannot write the parameters of `a.ipynb` in its language: dict type")
    assert fault.endswith("Use only text and numbers.")
    assert "Traceback" not in done.log


def test_papermill_knows_the_languages_of_parameters(workspace: Workspace) -> None:
    script = (
        "from notebook_ci.notebooks.parameters import _LANGUAGES\n"
        "from papermill.translators import papermill_translators\n"
        "for name, _ in _LANGUAGES.values(): papermill_translators.find_translator(name, '')"
    )
    done = in_the_tool_environment(workspace, script)
    assert (done.returncode, done.stderr) == (0, "")
    done = in_the_tool_environment(workspace, script.replace("_LANGUAGES.values()", "[('scheme', 1)]"))
    assert "No parameter translator functions" in done.stderr


def test_tags_mean_the_same(workspace: Workspace, bash: Path) -> None:
    may_fail, skipped = code("(exit 1)", "raises-exception"), code("echo no", "skip-execution")
    workspace.write("a.ipynb", notebook(may_fail, skipped, "echo yes", metadata=BASH))
    done = workspace.execute(bash)
    assert (done.code, done.printed("a.ipynb")) == (0, "yes\n"), done.log
    assert json.loads(Path(done.outputs["record"]).read_text())["notebooks"][0]["executed_cells"] == 2
