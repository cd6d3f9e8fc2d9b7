"""Names and tags of images: what docker takes, and nothing else."""

import platform
from pathlib import Path

import pytest

from notebook_ci.base.locks import Lock
from notebook_ci.build_image.engine import repository
from notebook_ci.build_image.model import BASE, IMAGE, TAGS, fitted_tag
from notebook_ci.build_image.packages import Packages
from notebook_ci.build_image.run import default_base

GOOD = (
    "study",
    "team/study",
    "ghcr.io/team/study",
    "GHCR.io/team/study",
    "localhost/study",
    "localhost:5000/study",
    "registry:5000/a/b/c",
    "127.0.0.1:5000/study_1",
    "[::1]:5000/study",
    "a__b/c-d---e.f",
)
BAD = (
    "A b",
    "a b",
    "study:v1",
    "study@sha256:" + "0" * 64,
    "https://ghcr.io/team/study",
    "/study",
    "study/",
    "a//b",
    "a..b",
    "a___b",
    "-a",
    "a-",
    "_a",
    "a\nb",
    "é",
    "a" * 256,
    "registry:port/a",
)


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_is_taken(name: str) -> None:
    assert IMAGE.parse(name) == name


@pytest.mark.parametrize("name", ["Study", "Acme/Study", "ghcr.io/Acme/X", "Host.example:5000/Acme/X"])
def test_a_name_that_becomes_lowercase(name: str) -> None:
    assert IMAGE.parse(f" {name}") == name


def test_a_name_that_is_no_text() -> None:
    for kind in (IMAGE, BASE):
        with pytest.raises(ValueError, match=r"^$"):
            kind.parse(3)  # a value of `notebook-ci.toml`


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        IMAGE.parse(name)


@pytest.mark.parametrize(
    "name",
    [
        "python",
        "python:3.12",
        "r:5000/a/b:c@sha256:" + "0" * 64,
        "r:5000/a",
        "a@sha256:" + "0" * 64,
        "Registry.Example.com/python:3.12",
    ],
)
def test_a_base_that_is_taken(name: str) -> None:
    assert BASE.parse(name) == name


@pytest.mark.parametrize(
    "name", ["-x", "python:", "a:b:c", "a@sha256:1", "a@", "python:3\nRUN x", "A:1", "foo-/bar", "a" * 256]
)
def test_a_base_that_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        BASE.parse(name)


def test_tags_are_taken_once_each() -> None:
    assert TAGS.parse("v1.2_x-y\nlatest\n\nlatest\n_") == ("v1.2_x-y", "latest", "_")
    assert TAGS.parse(["x" * 128]) == ("x" * 128,)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("v1.2_x-Y", "v1.2_x-Y"),
        ("feature/x", "feature-x"),
        ("v1+local", "v1-local"),
        ("#12/größe", "12-gr--e"),
        ("x" * 129, "x" * 128),
        ("dependabot/npm_and_yarn/@types/node-1.2", "dependabot-npm_and_yarn--types-node-1.2"),
    ],
)
def test_a_tag_that_is_fitted(name: str, tag: str) -> None:
    assert TAGS.parse(name) == (name,)
    assert fitted_tag(name) == tag
    assert TAGS.parse(tag) == (tag,)


@pytest.mark.parametrize("tag", ["a b", ".a", "-a", "a:b", "a,b", "é", "/.", "ghcr.io/team/x:v1", "a\\b", "a*"])
def test_a_tag_that_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        TAGS.parse(f"good\n{tag}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python:3.12-slim", "python@sha256:1"),
        ("docker.io/library/python:3", "python@sha256:1"),
        ("registry:5000/a/b:1", "registry:5000/a/b@sha256:1"),
        ("registry:5000/a/b", "registry:5000/a/b@sha256:1"),
    ],
)
def test_a_digest_of_the_same_repository(one: str, other: str) -> None:
    assert repository(one) == repository(other)


def test_a_digest_of_another_repository() -> None:
    assert repository("registry:5000/a/b:1") != repository("a/b@sha256:1")


OWN = ".".join(platform.python_version_tuple()[:2])


@pytest.mark.parametrize(
    ("tested", "file", "version"),
    [
        ("3.11.9", "3.12\n", "3.11"),
        ("", "3.12.4\n", "3.12"),
        ("", "# as on the cluster\n\n3.10\n3.12\n", "3.10"),
        ("", "pypy\n", OWN),
    ],
)
def test_the_base_has_the_python_of_the_notebooks(tmp_path: Path, tested: str, file: str, version: str) -> None:
    (tmp_path / ".python-version").write_text(file)
    packages = Packages(Lock(tmp_path, tmp_path / "requirements.txt", "plain"), python_version=tested)
    assert default_base(packages, tmp_path) == f"python:{version}-slim"
