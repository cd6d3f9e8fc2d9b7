"""Which Python runs the notebooks, and what its kernels find."""

import json
from pathlib import Path

from integration.suite import PYTHON3, Workspace, notebook
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.setup_env import SetupEnvRecord


def test_foreign_kernel_names_run_with_a_notice(workspace: Workspace, kernel: Path) -> None:
    conda = {"kernelspec": {"name": "conda-base-py", "display_name": "x", "language": "python"}}
    workspace.write("conda.ipynb", notebook("1", metadata=conda))
    workspace.write("none.ipynb", notebook("1", metadata={}))
    workspace.write("nameless.ipynb", notebook("1", metadata={"language_info": {"name": "python"}}))
    old = {"language_info": {"name": "python", "version": "3.4.10"}, "environment": {"uri": "host/base-cpu:m76"}}
    workspace.write("old.ipynb", notebook("1", metadata=PYTHON3 | old))
    workspace.write("plain.ipynb", notebook("1"))
    done = workspace.execute(kernel)
    assert (done.code, done.outputs["executed"]) == (0, "5"), done.log
    [notice] = done.annotations("notice")
    assert notice.message == (
        "conda.ipynb: saved with the kernel `conda-base-py`; nameless.ipynb, none.ipynb: saved with no kernel; "
        "old.ipynb: saved with Python 3.4.10 and the image `host/base-cpu:m76`. "
        f"Runs here with Python {done.record['python_version']} ({kernel}) instead."
    )


def link(folder: Path, python: Path) -> Path:
    """Make a folder laid out as an installation whose `bin/python` is the given one."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    program.chmod(0o755)
    return program


def test_the_interpreter_is_looked_for_in_order(workspace: Workspace, kernel: Path) -> None:
    """A notebook that cannot be executed shows it as well: no kernel has to start."""
    workspace.write("a.ipynb", "{")
    by_input, by_venv, by_location, on_path = (link(workspace.base / name, kernel) for name in "ivlp")
    run_dir = workspace.runner_temp / "notebook-ci"
    run_dir.mkdir()
    of_setup = link(workspace.base / "s", kernel)
    source = {"workspace": str(workspace.folder)}
    setup = SetupEnvRecord(stage="setup-env", python=str(of_setup), source=source)
    files = RunDirectory(run_dir).take("setup-env", "")
    files.write(setup)
    environ: dict[str, str | None] = {
        "VIRTUAL_ENV": str(by_venv.parents[1]),
        "pythonLocation": str(by_location.parents[1]),
        "PATH": f"{on_path.parent}:{workspace.environ['PATH']}",
    }
    expected = [("`python`", by_input), ("setup-env", of_setup), ("VIRTUAL_ENV", by_venv)]
    expected += [("pythonLocation", by_location), ("PATH", on_path)]
    given = {"python": str(by_input), "kernel-start": "spawn"}
    for origin, python in expected:
        done = workspace.run("execute-notebook", given, environ=environ)
        assert (done.code, done.record["python"]) == (1, str(python)), done.log
        assert f"({origin}: {python})" in done.log
        given = {"kernel-start": "spawn"}
        if origin == "setup-env":
            files.record.unlink()
        environ[origin] = None if origin in {"VIRTUAL_ENV", "pythonLocation"} else environ.get(origin)


def test_on_a_laptop_a_lock_that_changed_since_its_environment_was_made(workspace: Workspace) -> None:
    workspace.write("a.ipynb", notebook("1"))
    workspace.write("requirements.txt", "ipykernel\n-r more.txt\n")
    workspace.write("more.txt", "six\n")
    assert workspace.run("setup-env").code == 0
    python = workspace.folder / ".notebook-ci" / "venv" / "bin" / "python"
    for _ in range(2):  # kernels leave nothing in it
        same = workspace.run("execute-notebook")
        assert same.code == 0, same.log
        assert f"(an earlier setup-env: {python})" in same.log
        assert "changed" not in same.log
    # A new file: the installed one is also in uv's cache, from which other tests install.
    edit = "import os, six\nos.unlink(six.__file__)\nopen(six.__file__, 'w').write('X = 1')"
    workspace.write("a.ipynb", notebook(edit))
    assert "have changed" not in workspace.run("execute-notebook").log
    workspace.write("a.ipynb", notebook("import six\nprint(six.X)"))
    installed = workspace.run("execute-notebook")
    assert "Files in the environment `.notebook-ci/venv` have changed since setup-env created it, or" in installed.log
    workspace.write("more.txt", "six\nidna\n")
    said = (
        "`more.txt` has changed since the environment `.notebook-ci/venv` was created from it. Run setup-env to create "
        "it again."
    )
    changed = workspace.run("execute-notebook")
    assert changed.code == 0, changed.log
    assert said in changed.log
    assert "requirements.txt has changed" not in changed.log
    assert said not in workspace.run("execute-notebook", flags=["--python", str(python)]).log


def test_a_name_on_path_and_a_path_of_the_workspace(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    link(workspace.folder / "own", kernel)
    environ = {"PATH": f"{workspace.folder / 'own' / 'bin'}:{workspace.environ['PATH']}"}
    assert workspace.run("execute-notebook", {"python": "python"}, environ=environ).code == 0
    assert workspace.run("execute-notebook", {"python": "own/bin/python"}).code == 0


def test_the_kernel_finds_its_own_programs_first(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "a.ipynb",
        notebook(
            "import os, shutil, json, sys\n"
            "print(json.dumps([shutil.which('python'), sys.prefix, os.environ.get('VIRTUAL_ENV')]))"
        ),
    )
    done = workspace.execute(kernel, {"VIRTUAL_ENV": "/nowhere"})
    prefix = str(kernel.parents[1])
    assert json.loads(done.printed("a.ipynb")) == [str(kernel), prefix, prefix]


def test_no_ipykernel(workspace: Workspace, bare: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    done = workspace.execute(bare)
    assert (done.code, done.outputs["status"]) == (3, "error")
    assert done.annotations()[0].message == (
        f"The Python `{bare}` (`python`) has no ipykernel, so it cannot run notebooks. "
        "List your packages in a file for setup-env, such as `requirements.txt`, or install `ipykernel`."
    )


def test_the_users_python_settings_reach_the_kernel_and_not_the_tools(workspace: Workspace, kernel: Path) -> None:
    workspace.write("lib/helper.py", "VALUE = 42\n")
    for name in ("papermill", "nbformat", "json"):
        workspace.write(f"bad/{name}.py", "raise SystemExit('imported by a tool')\n")
    workspace.write("a.ipynb", notebook("import helper\nprint(helper.VALUE)"))
    lib = str(workspace.folder / "lib")
    done = workspace.execute(kernel, {"PYTHONPATH": lib})
    assert (done.code, done.printed("a.ipynb")) == (0, "42\n"), done.log
    harm = workspace.execute(kernel, {"PYTHONPATH": str(workspace.folder / "bad")})
    assert harm.code == 2, "the Python that was named is broken by it"
    assert "imported by a tool" in harm.log
    assert "Traceback" not in "\n".join(command.message for command in harm.commands)


def test_a_module_beside_the_notebook_is_imported(workspace: Workspace, kernel: Path) -> None:
    workspace.write("nb/beside.py", "VALUE = 43\n")
    workspace.write("nb/a.ipynb", notebook("import beside\nprint(beside.VALUE)"))
    assert workspace.execute(kernel).printed("nb/a.ipynb") == "43\n"


def test_a_long_temporary_folder(workspace: Workspace, kernel: Path) -> None:
    """The path of a Unix socket has at most 107 bytes."""
    folder = workspace.tmp / ("long-" * 20)
    folder.mkdir()
    workspace.write("a.ipynb", notebook("print(1)"))
    done = workspace.execute(kernel, {"TMPDIR": str(folder)})
    assert done.code == 0, done.log
    assert not list(folder.iterdir())
