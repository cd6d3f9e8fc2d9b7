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
# Scripts that use the tool environment of another.
BORROWED = {
    "build-image": SMALLEST,
    "compare-environments": "setup-env",
    "dvc-pull": SMALLEST,
    "infer-requirements": "setup-env",
    "migrate-suite": "validate-data",
    "plan-notebooks": SMALLEST,
    "report": "execute-notebook",
    "report-run": "execute-notebook",
    "test-notebook": "setup-env",
}


def main(cache: str, rest: list[str]) -> int:
    """Run what the arguments request. Returns the exit code unless another program takes over."""
    if not rest or rest[0] in HELP:
        from pipeline import usage

        (sys.stdout if rest else sys.stderr).write(usage())
        return 0 if rest else 2
    if rest[0] == "--version":
        from notebook_ci import VERSION

        print(f"notebook-ci {VERSION}")
        return 0
    if "--json" in rest:
        sys.stdout = sys.stderr  # only the stage itself prints to standard output
    stdin_flag = rest[:1] if rest[0] == "--inputs-from-stdin" else []  # the inputs of the action are in standard input
    rest = rest[len(stdin_flag) :]
    environment = ""
    if rest[:1] == ["--env"]:
        environment = _known("tool environment", rest[1:2], REQUIREMENTS, ".txt", leave_out="uv")
        rest = rest[2:]
    if rest[:1] != ["--exec"]:
        stage = _known("stage", rest[:1], HERE, ".py", leave_out="launch")
        return run_stage(cache, environment, stage, stdin_flag, rest[1:])
    if not environment or not rest[1:]:
        raise _refused("`--exec` needs an environment and a program: `--env NAME --exec PROGRAM [arguments]`.")
    programs, _ = prepared(cache, environment, [], from_stdin=False)
    program = os.path.join(programs, rest[1] + EXE)
    if not os.path.exists(program):
        raise _refused(f"The tool environment {environment} has no program `{rest[1]}`.")
    # The user's `PYTHON*` variables would break it. A stage needs them for its kernels: it is started with `-E -s`.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # Byte-code was written when the environment was created: new files would count as a change.
    return run([program, *rest[2:]], {**environ, "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"})


def run_stage(cache: str, environment: str, stage: str, stdin_flag: list[str], arguments: list[str]) -> int:
    """Run a stage in a tool environment, by default its own; without any, if it needs only the standard library."""
    environment = environment or environment_of(stage)
    script = ["-E", "-s", os.path.join(HERE, stage.replace("-", "_") + ".py"), *stdin_flag]
    python, stdin = sys.executable, None
    if environment and set(HELP).isdisjoint(arguments):
        check = [*script, "--check-inputs", *arguments]
        programs, stdin = prepared(cache, environment, check, from_stdin=bool(stdin_flag))
        python = os.path.join(programs, "python" + EXE)
    return run([python, *script, *arguments], dict(os.environ), stdin)


def prepared(cache: str, name: str, check: list[str], *, from_stdin: bool) -> tuple[str, int | None]:
    """Return the folder of programs of a tool environment, and standard input if `check` had to read it."""
    from notebook_ci.tools import integrity

    stdin, folder = None, environment_folder(cache, name)
    if not integrity.is_unchanged(folder):
        from notebook_ci.tools import preparing

        uv, smallest = environment_folder(cache, "uv"), environment_folder(cache, SMALLEST)
        stdin = preparing.prepare(folder, uv, smallest, REQUIREMENTS, check, from_stdin=from_stdin)
    return os.path.join(folder, PROGRAMS), stdin


def environment_of(stage: str) -> str:
    """Return the tool environment of a stage's script; empty if it needs only the standard library."""
    own = stage if os.path.exists(os.path.join(REQUIREMENTS, stage + ".txt")) else ""
    return own or BORROWED.get(stage, "")


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
    machine = "" if WINDOWS else os.uname().machine  # on Windows it is in `sys.version`
    key.update(repr((2, interpreter, sys.platform, machine)).encode("utf-8", "surrogateescape"))
    return os.path.join(cache, f"{name}-{key.hexdigest()[:16]}")


def run(argv: list[str], environ: dict[str, str], stdin: int | None = None) -> int:
    """Replace this process with the program `argv`. On Windows, which has no exec, run it and return its exit code.

    `stdin` is the file descriptor of its standard input, if it is not that of this process.
    """
    if not WINDOWS:
        if stdin is not None:
            os.dup2(stdin, 0)
        os.execve(argv[0], argv, environ)  # noqa: S606 - no shell is needed
    import subprocess

    return subprocess.run(argv, env=environ, stdin=stdin, check=False).returncode


def _known(kind: str, given: list[str], folder: str, suffix: str, *, leave_out: str) -> str:
    """Return the given name, if a file in the folder has it."""
    files = (file for file in os.listdir(folder) if file.endswith(suffix))
    names = sorted({file[: -len(suffix)].replace("_", "-") for file in files} - {leave_out})
    name = "".join(given)
    if name not in names:
        what = f"`{name}` is not a {kind}." if name else f"No {kind} was given."
        raise _refused(f"{what} Known: {', '.join(f'`{each}`' for each in names)}.")
    return name


def _refused(message: str) -> SystemExit:
    from notebook_ci.base.console import console
    from notebook_ci.base.errors import InputError

    error = InputError(message)
    console().error(error)
    return SystemExit(error.exit_code)


if __name__ == "__main__":
    # With -I the script's own folder is not on the path.
    sys.path.insert(0, HERE)
    try:
        sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
