"""What a Dockerfile of the user's own copies into the image unasked."""

from pathlib import Path

import pytest

from notebook_ci.build_image.copied import warning

LINES = "# syntax\nFROM x\n"
FOUND = (
    "copies the whole workspace, with `.git` (3.0 MB), `.notebook-ci` (0.5 MB). Add to `.dockerignore`: `.git`, "
    "`.notebook-ci`."
)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name, size in {".git/objects/x": 3_000_000, ".notebook-ci/runs/a b/x": 500_000, "src/a.py": 1}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * size)
    return tmp_path


def told(context: Path, instruction: str) -> tuple[int, str]:
    (context / "Dockerfile").write_text(f"{LINES}{instruction}\nRUN y\n")
    return warning(context / "Dockerfile", context)


@pytest.mark.parametrize(
    "instruction",
    [
        "COPY . .",
        "copy ./ /app",
        "ADD . /x",
        "COPY --chown=1:1 --link . .",
        'COPY [".", "/a"]',
        "  COPY * /a/",
        "COPY / /a",
    ],
)
def test_all_of_the_workspace(context: Path, instruction: str) -> None:
    assert told(context, instruction) == (3, FOUND)


@pytest.mark.parametrize(
    "instruction",
    [
        "COPY src .",
        "COPY --from=build . .",
        "# COPY . .",
        "COPY ./src /a",
        "COPY .gitignore .",
        "RUN cp -r . /x",
        "COPY *.py .",
    ],
)
def test_what_copies_less(context: Path, instruction: str) -> None:
    assert told(context, instruction) == (0, "")


@pytest.mark.parametrize(
    "ignored",
    [
        ".git\n.notebook-ci",
        "**/.git/\n/.notebook-ci/**",
        ".*",
        "*\n!src",
        "# x\n\n .git \n.notebook-ci/*",
        ".g?t\n./.notebook-ci",
    ],
)
def test_what_is_ignored(context: Path, ignored: str) -> None:
    (context / ".dockerignore").write_text(ignored)
    assert told(context, "COPY . .") == (0, "")


@pytest.mark.parametrize(
    "ignored", ["", ".git/objects\n.notebook-ci/runs", ".*\n!.git\n!.notebook-ci", "git\nsrc/.git"]
)
def test_what_is_not_ignored(context: Path, ignored: str) -> None:
    (context / ".dockerignore").write_text(ignored)
    assert told(context, "COPY . .") == (3, FOUND)


def test_the_ignore_file_of_a_dockerfile_counts_more(context: Path) -> None:
    (context / ".dockerignore").write_text("*")
    (context / "Dockerfile.dockerignore").write_text(".git")
    assert "`.notebook-ci` (0.5 MB)." in told(context, "COPY . .")[1]


def test_a_workspace_with_nothing_of_the_kind(tmp_path: Path) -> None:
    assert told(tmp_path, "COPY . .") == (0, "")
