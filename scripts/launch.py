"""Runs a stage, or a program, in its tool environment; creates the environment first if it is missing.

launch.sh calls it as `python -I -S launch.py CACHE [--inputs-from-stdin] [--env NAME] <stage> [arguments]`, or with
`--env NAME --exec PROGRAM [arguments]`, `--version` or `--help`. An environment is a folder in the cache folder, named
after its lock file in `requirements/` and a key of everything that decides its content. If the environment exists and
is unchanged, this script hands over by exec. That takes some hundredths of a second and happens before every stage, so
few modules are imported here (`pathlib` and `typing` alone would double the time);
`notebook_ci.tools.preparing` creates environments.
"""
# `os.path` instead of `pathlib`: see the docstring.
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH123, PTH208

import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REQUIREMENTS = os.path.join(os.path.dirname(HERE), "requirements")
WINDOWS = sys.platform == "win32"
PROGRAMS, EXE = ("Scripts", ".exe") if WINDOWS else ("bin", "")
HELP = ("-h", "--help")
SMALLEST = "pipeline"  # a tool environment that can plan every stage
READ_YAML = ("dvc-pull",)  # stages that need no more than it


class NotFound(Exception):
    """The requested stage, environment or program does not exist."""


class Launch:
    """What launch.sh should run. Raises NotFound if there is no such stage or environment."""

    def __init__(self, argv: list[str]) -> None:
        rest = list(argv)
        # Standard input contains the inputs of the action.
        self.from_stdin = rest[:1] == ["--inputs-from-stdin"]
        del rest[: int(self.from_stdin)]
        environment = None
        if rest[:1] == ["--env"]:
            environment = "".join(rest[1:2])
            del rest[:2]
        is_program = rest[:1] == ["--exec"]
        del rest[: int(is_program)]
        if is_program and not (environment and rest):
            raise NotFound("`--exec` needs an environment and a program: `--env NAME --exec PROGRAM [arguments]`.")
        # `stage` is empty for a program, which is then the first of `arguments`.
        self.stage = "" if is_program else _known("stage", "".join(rest[:1]), HERE, ".py", leave_out="launch")
        self.arguments = rest if is_program else rest[1:]
        self.environment = _own_environment(self.stage) if environment is None else _known_environment(environment)

    def script(self, *flags: str) -> list[str]:
        """Return the stage's script and its arguments; `flags` come before the given ones."""
        given = ["--inputs-from-stdin"] if self.from_stdin else []
        return ["-E", "-s", os.path.join(HERE, _file_name(self.stage)), *given, *flags, *self.arguments]


def main(argv: list[str]) -> int:
    """Run what `argv` (the cache folder first) requests. Returns the exit code unless another program takes over."""
    if not argv[1:] or argv[1] in HELP:
        from notebook_ci.base.usage import usage

        (sys.stdout if argv[1:] else sys.stderr).write(usage())
        return 0 if argv[1:] else 2
    if argv[1] == "--version":
        from notebook_ci import VERSION

        print(f"notebook-ci {VERSION}")
        return 0
    cache = os.path.abspath(argv[0])
    launch = Launch(argv[1:])
    if not launch.environment:
        return run([sys.executable, *launch.script()], dict(os.environ), None)
    from notebook_ci.tools import integrity

    environment = environment_folder(cache, launch.environment)
    stdin = None
    if not integrity.is_unchanged(environment):
        if launch.stage and not set(HELP).isdisjoint(launch.arguments):
            return run([sys.executable, *launch.script()], dict(os.environ), stdin)
        from notebook_ci.tools import preparing

        stdin = preparing.prepare(
            launch.environment,
            environment,
            uv=environment_folder(cache, "uv"),
            requirements=REQUIREMENTS,
            smallest=environment_folder(cache, SMALLEST),
            check=launch.script("--check-inputs") if launch.stage else [],
            from_stdin=launch.from_stdin,
        )
    programs = os.path.join(environment, PROGRAMS)
    if launch.stage:
        return run([os.path.join(programs, "python" + EXE), *launch.script()], dict(os.environ), stdin)
    program = os.path.join(programs, launch.arguments[0] + EXE)
    if not os.path.exists(program):
        raise NotFound(f"The tool environment {launch.environment} has no program `{launch.arguments[0]}`.")
    return run([program, *launch.arguments[1:]], without_python_variables(dict(os.environ)), stdin)


def environment_folder(cache: str, name: str) -> str:
    """Return the path of the tool environment `name`; its key covers everything that decides its content."""
    key = hashlib.sha256()
    for lock in (name, "uv"):
        with open(os.path.join(REQUIREMENTS, lock + ".txt"), "rb") as file:
            key.update(file.read())
    # Containers that share a cache folder may have Pythons of one path and version, but of different C libraries.
    libc = getattr(sys.implementation, "_multiarch", "")
    interpreter = (sys.version, sys.implementation.name, libc, os.path.realpath(sys.executable))
    # 2: version of the layout; environments of version 1 have no seal.
    key.update(repr((2, interpreter, sys.platform, _machine())).encode("utf-8", "surrogateescape"))
    return os.path.join(cache, f"{name}-{key.hexdigest()[:16]}")


def without_python_variables(environ: dict[str, str]) -> dict[str, str]:
    """Return the environment for a program of a tool environment: the user's `PYTHON*` variables would break it.

    A stage's script is started with `-E -s` instead: the kernels that it starts need these variables.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    # Byte-code was written when the environment was created: new files would count as a change.
    return {**kept, "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run(argv: list[str], environ: dict[str, str], stdin: int | None) -> int:
    """Replace this process with the program `argv`. On Windows, which has no exec, run it and return its exit code.

    `stdin` is the file descriptor of its standard input, if it is not that of this process.
    """
    if not WINDOWS:
        if stdin is not None:
            os.dup2(stdin, 0)
        os.execve(argv[0], argv, environ)  # noqa: S606 - no shell is needed
    import subprocess

    return subprocess.run(argv, env=environ, stdin=stdin, check=False).returncode


def _machine() -> str:
    if not WINDOWS:
        return os.uname().machine
    import platform

    return platform.machine()


def _file_name(stage: str) -> str:
    return stage.replace("-", "_") + ".py"


def _own_environment(stage: str) -> str:
    """Return the tool environment of a stage; empty if it needs only the standard library."""
    if stage in READ_YAML:
        return SMALLEST
    return stage if os.path.exists(os.path.join(REQUIREMENTS, stage + ".txt")) else ""


def _known_environment(name: str) -> str:
    return _known("tool environment", name, REQUIREMENTS, ".txt", leave_out="uv")


def _known(kind: str, name: str, folder: str, suffix: str, *, leave_out: str) -> str:
    files = (file for file in os.listdir(folder) if file.endswith(suffix))
    names = sorted({file[: -len(suffix)].replace("_", "-") for file in files} - {leave_out})
    if name not in names:
        what = f"`{name}` is not a {kind}." if name else f"No {kind} was given."
        raise NotFound(f"{what} Known: {', '.join(f'`{each}`' for each in names)}.")
    return name


def _refuse(message: str) -> int:
    from notebook_ci.base.console import console
    from notebook_ci.base.errors import InputError

    error = InputError(message)
    console().error(error)
    return error.exit_code


if __name__ == "__main__":
    # With -I the script's own folder is not on the path.
    sys.path.insert(0, HERE)
    try:
        sys.exit(main(sys.argv[1:]))
    except NotFound as error:
        sys.exit(_refuse(str(error)))
    except KeyboardInterrupt:
        sys.exit(130)
