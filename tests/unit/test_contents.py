"""What is known of the packages in an environment: where they came from, licenses, and the digest of all."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from notebook_ci.base.locks import Lock
from notebook_ci.environments.uv import Installed
from notebook_ci.setup_env import contents, venv
from notebook_ci.setup_env.contents import Package

COMMIT = "0" * 39 + "1"
GIT = {"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}


def put(prefix: Path, name: str, source: object = None, *, installer: str = "uv", lines: str = "") -> None:
    """Install a package, version 1.0; `source` is what PEP 610 says of it."""
    folder = prefix / f"lib/python3.12/site-packages/{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{lines}\nA text\n")
    (folder / "INSTALLER").write_text(f"{installer}\n")
    if source is not None:
        (folder / "direct_url.json").write_text(source if isinstance(source, str) else json.dumps(source))


def put_conda(prefix: Path, name: str, **fields: str) -> None:
    path = prefix / f"conda-meta/{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"name": name, "version": "1.0", "build": "0", "files": [], **fields}))


def one(prefix: Path) -> Package:
    [found] = contents.packages(prefix, Lock(Path("/w"), Path("/w/x.txt"), "plain").shown)
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, {"origin": "index"}),
        (
            {"url": "https://ann:s3cret@host/x.whl?sig=s3cret#s3cret", "archive_info": {"hashes": {"sha256": "ab"}}},
            {"origin": "url", "url": "https://host/x.whl", "sha256": "ab"},
        ),
        (
            GIT | {"url": "https://s3cret@host/x.git"},
            {"origin": "git", "url": "https://host/x.git", "commit": COMMIT},
        ),
        (
            {"url": "file:///w/a%20b", "dir_info": {"editable": True}},
            {"origin": "path", "url": "a b", "editable": True},
        ),
        (
            {"url": "file:///else/x.whl", "archive_info": {}},
            {"origin": "path", "url": "/else/x.whl"},
        ),
        ("{", {"origin": "index"}),
        ([1], {"origin": "index"}),
        ({"url": 1, "vcs_info": []}, {"origin": "git", "url": "1"}),
    ],
)
def test_where_a_package_came_from(tmp_path: Path, source: object, expected: Package) -> None:
    put(tmp_path, "X", source)
    assert one(tmp_path) == {"name": "x", "version": "1.0", **expected}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: x\n", ["MIT OR Apache-2.0"]),
        ("License: BSD 3-Clause\nClassifier: License :: OSI Approved :: BSD License\n", ["BSD 3-Clause"]),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", ["MIT License"]),
        ("License: Copyright\n        The text\nClassifier: License :: OSI Approved :: ISC\n", ["ISC"]),
        ("Classifier: License :: B\nClassifier: License :: A\nClassifier: Topic :: C\n", ["B", "A"]),
        ("", []),
    ],
)
def test_the_license_of_a_package(tmp_path: Path, lines: str, expected: list[str]) -> None:
    put(tmp_path, "x", lines=lines)
    assert one(tmp_path).get("licenses", []) == expected


def test_packages_of_conda_are_listed_once(tmp_path: Path) -> None:
    """They also have the metadata of a package of the index; those of uv are not of conda."""
    url = "https://ann:s3cret@host/forge/noarch/x-1.0-0.conda"
    put_conda(
        tmp_path, "x", url=url, channel="https://ann:s3cret@host/forge/", subdir="noarch", sha256="ab", license="MIT"
    )
    put_conda(tmp_path, "lib", url="", channel="forge")
    put(tmp_path, "x", installer="conda")
    put(tmp_path, "y")
    of_conda = {"origin": "conda", "version": "1.0", "build": "0"}
    assert contents.packages(tmp_path, str) == [
        {"name": "lib", **of_conda, "channel": "forge"},
        {
            "name": "x",
            **of_conda,
            "url": "https://host/forge/noarch/x-1.0-0.conda",
            "sha256": "ab",
            "subdir": "noarch",
            "channel": "https://host/forge/",
            "licenses": ["MIT"],
        },
        {"name": "y", "version": "1.0", "origin": "index"},
    ]


def digest(
    packages: Sequence[str], conda: Mapping[str, str] | None = None, commits: Mapping[str, str] | None = None
) -> str:
    found = Installed("3.12.4", "CPython", "linux-x86_64", dict.fromkeys(packages, "1.0"), dict(conda or {}))
    return venv.digest(found, commits or {})


def test_the_digest_is_that_of_the_content_in_any_order() -> None:
    conda, commits = {"x": "1.0 0", "y": "1.0 0"}, {"a": "0", "b": "1"}
    turned = [dict(reversed(each.items())) for each in (conda, commits)]
    assert digest("abc", conda, commits) == digest("cba", *turned)
    others = [{}, {"x": "1 0"}, {"x": "2 0"}, {"x": "1 1"}, {"x": "1 0", "y": "1 0"}]
    every = [
        *(digest("a", each) for each in others),
        digest("b"),
        digest("a", {}, {"a": "0"}),
        digest("a", {}, {"a": "1"}),
    ]
    assert len(set(every)) == len(every)
