"""Runs a stage, or a program, in its tool environment; makes the environment first where it is not there yet.

Called by launch.sh as `python -I -S launch.py CACHE [--inputs-from-stdin] [--env NAME] <stage> [arguments]`, or with
`--env NAME --exec PROGRAM [arguments]`, `--version` or `--help`. An environment is a folder
of the cache folder, named after its lock file in `requirements/` and a key of all that decides what must be in it. If
the environment exists and nothing in it has changed, this script hands over by exec. That takes some hundredths of a
second and comes before every stage, so little is imported here (`pathlib` and `typing` alone would double its time);
what makes an environment is in `notebook_ci.tools.preparing`.
"""
# Why os.path stands here, the docstring says.
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH123, PTH208

import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REQUIREMENTS = os.path.join(os.path.dirname(HERE), "requirements")
WINDOWS = sys.platform == "win32"
PROGRAMS, EXE = ("Scripts", ".exe") if WINDOWS else ("bin", "")
HELP = ("-h", "--help")
SMALLEST = "pipeline"  # the tool environment that every stage can be planned in


class Refused(Exception):
    """What was asked for is not there."""


class Request:
    """What launch.sh was asked to run.

    Attributes:
        from_stdin: The inputs of the action stand on standard input.
        environment: Name of the tool environment; nothing for a stage that needs none.
        stage: Name of the stage, or nothing where a program is to be run.
        arguments: Of the stage; or the program and its arguments.

    Raises:
        Refused: There is no such stage or environment.
    """

    def __init__(self, argv: list[str]) -> None:
        rest = list(argv)
        self.from_stdin = rest[:1] == ["--inputs-from-stdin"]
        del rest[: int(self.from_stdin)]
        environment = None
        if rest[:1] == ["--env"]:
            environment = "".join(rest[1:2])
            del rest[:2]
        is_program = rest[:1] == ["--exec"]
        del rest[: int(is_program)]
        if is_program and not (environment and rest):
            raise Refused("--exec needs an environment and a program: --env NAME --exec PROGRAM [arguments].")
        self.stage = "" if is_program else _known("stage", "".join(rest[:1]), HERE, ".py", leave_out="launch")
        self.arguments = rest if is_program else rest[1:]
        self.environment = _own_environment(self.stage) if environment is None else _known_environment(environment)

    def script(self, *flags: str) -> list[str]:
        """Return the stage's script and its arguments, `flags` before those that were given."""
        given = ["--inputs-from-stdin"] if self.from_stdin else []
        return ["-E", "-s", os.path.join(HERE, _file_name(self.stage)), *given, *flags, *self.arguments]


def main(argv: list[str]) -> int:
    """Run what `argv` (the cache folder first) asks for; returns on Windows only, with the exit code."""
    if not argv[1:] or argv[1] in HELP:
        from notebook_ci.base.usage import usage

        (sys.stdout if argv[1:] else sys.stderr).write(usage())
        return 0 if argv[1:] else 2
    if argv[1] == "--version":
        from notebook_ci import VERSION

        print(f"notebook-ci {VERSION}")
        return 0
    cache = os.path.abspath(argv[0])
    request = Request(argv[1:])
    if not request.environment:
        return run([sys.executable, *request.script()], dict(os.environ), None)
    from notebook_ci.tools import integrity

    environment = environment_folder(cache, request.environment)
    stdin = None
    if not integrity.holds(environment):
        if request.stage and not set(HELP).isdisjoint(request.arguments):
            return run([sys.executable, *request.script()], dict(os.environ), stdin)
        from notebook_ci.tools import preparing

        stdin = preparing.prepare(
            request.environment,
            environment,
            uv=environment_folder(cache, "uv"),
            requirements=REQUIREMENTS,
            smallest=environment_folder(cache, SMALLEST),
            check=request.script("--check-inputs") if request.stage else [],
            from_stdin=request.from_stdin,
        )
    programs = os.path.join(environment, PROGRAMS)
    if request.stage:
        return run([os.path.join(programs, "python" + EXE), *request.script()], dict(os.environ), stdin)
    program = os.path.join(programs, request.arguments[0] + EXE)
    if not os.path.exists(program):
        raise Refused(f"The tool environment {request.environment} has no program {request.arguments[0]!r}.")
    return run([program, *request.arguments[1:]], without_python_variables(dict(os.environ)), stdin)


def environment_folder(cache: str, name: str) -> str:
    """Return where the tool environment `name` is or will be; all that decides what must be in it is in its key."""
    key = hashlib.sha256()
    for lock in (name, "uv"):
        with open(os.path.join(REQUIREMENTS, lock + ".txt"), "rb") as file:
            key.update(file.read())
    # Two containers that share a cache folder can have one path and one version for Pythons of different C libraries.
    libc = getattr(sys.implementation, "_multiarch", "")
    interpreter = (sys.version, sys.implementation.name, libc, os.path.realpath(sys.executable))
    # The 2 is the version of how an environment is finished: older ones have no seal.
    key.update(repr((2, interpreter, sys.platform, _machine())).encode("utf-8", "surrogateescape"))
    return os.path.join(cache, f"{name}-{key.hexdigest()[:16]}")


def without_python_variables(environ: dict[str, str]) -> dict[str, str]:
    """Return the environment for a program of a tool environment: the user's settings of Python would break it.

    A stage's script is started with `-E -s` instead, because the kernels that it starts are to have these variables.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    # Byte-code was written when the environment was made: more of it would count as a change.
    return {**kept, "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run(argv: list[str], environ: dict[str, str], stdin: int | None) -> int:
    """Become the program `argv`. Windows has no exec: there it is run, and its exit code returned.

    Args:
        argv: Path of the program, and its arguments.
        environ: Its environment.
        stdin: File descriptor of its standard input, where that is not this process's own.
    """
    if not WINDOWS:
        if stdin is not None:
            os.dup2(stdin, 0)
        os.execve(argv[0], argv, environ)  # noqa: S606 - no shell is wanted
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
    """Return the tool environment of a stage: the one of its name, or nothing where the standard library is enough."""
    return stage if os.path.exists(os.path.join(REQUIREMENTS, stage + ".txt")) else ""


def _known_environment(name: str) -> str:
    return _known("tool environment", name, REQUIREMENTS, ".txt", leave_out="uv")


def _known(kind: str, name: str, folder: str, suffix: str, *, leave_out: str) -> str:
    """Return `name` if there is a file for it."""
    files = (file for file in os.listdir(folder) if file.endswith(suffix))
    names = sorted({file[: -len(suffix)].replace("_", "-") for file in files} - {leave_out})
    if name not in names:
        what = f"There is no {kind} {name!r}." if name else f"No {kind} was named."
        raise Refused(f"{what} There are: {', '.join(names)}.")
    return name


def _refuse(message: str) -> int:
    from notebook_ci.base.errors import InputError
    from notebook_ci.base.github import Console

    error = InputError(message)
    Console().error(error)
    return error.exit_code


if __name__ == "__main__":
    # With -I the script's own folder is not searched for modules.
    sys.path.insert(0, HERE)
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as refused:
        sys.exit(_refuse(str(refused)))
    except KeyboardInterrupt:
        sys.exit(130)
