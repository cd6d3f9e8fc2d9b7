"""What is known of the packages in an environment: where they came from, licenses, and the digest of all."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from notebook_ci.setup_env import contents, venv
from notebook_ci.setup_env.contents import Package
from notebook_ci.setup_env.uv import Installed

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


def installed(packages: list[str], conda: Mapping[str, str] | None = None) -> Installed:
    return Installed("3.12.4", "CPython", "linux-x86_64", dict.fromkeys(packages, "1.0"), dict(conda or {}))


def one(prefix: Path, workspace: Path = Path("/w"), name: str = "x") -> Package:
    [found] = contents.packages(prefix, installed([name]), workspace)
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, Package(name="x", version="1.0", origin="index")),
        (
            {"url": "https://ann:s3cret@host/x.whl?sig=s3cret#s3cret", "archive_info": {"hashes": {"sha256": "ab"}}},
            Package(name="x", version="1.0", origin="url", url="https://host/x.whl", sha256="ab"),
        ),
        (
            GIT | {"url": "https://s3cret@host/x.git"},
            Package(name="x", version="1.0", origin="git", url="https://host/x.git", commit=COMMIT),
        ),
        (
            {"url": "file:///w/a%20b", "dir_info": {"editable": True}},
            Package(name="x", version="1.0", origin="path", url="a b", editable=True),
        ),
        (
            {"url": "file:///else/x.whl", "archive_info": {}},
            Package(name="x", version="1.0", origin="path", url="/else/x.whl"),
        ),
        ("{", Package(name="x", version="1.0", origin="index")),
        ([1], Package(name="x", version="1.0", origin="index")),
        ({"url": 1, "vcs_info": []}, Package(name="x", version="1.0", origin="git", url="1")),
    ],
)
def test_where_a_package_came_from(tmp_path: Path, source: object, expected: Package) -> None:
    put(tmp_path, "X", source)
    assert one(tmp_path) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: x\n", ["MIT OR Apache-2.0"]),
        ("License: BSD 3-Clause\nClassifier: License :: OSI Approved :: BSD License\n", ["BSD 3-Clause"]),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", ["MIT License"]),
        ("License: Copyright\n        The text\nClassifier: License :: OSI Approved :: ISC\n", ["ISC"]),
        ("Classifier: License :: B\nClassifier: License :: A\nClassifier: Topic :: C\n", ["A", "B"]),
        ("", []),
    ],
)
def test_the_license_of_a_package(tmp_path: Path, lines: str, expected: list[str]) -> None:
    put(tmp_path, "x", lines=lines)
    assert one(tmp_path).licenses == expected


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
    found = contents.packages(tmp_path, installed(["x", "y"], {"x": "1.0 0", "lib": "1.0 0"}), tmp_path)
    assert contents.as_json(installed(["x"]), "d", found) == {
        "python": {"version": "3.12.4", "implementation": "CPython", "platform": "linux-x86_64"},
        "digest": "d",
        "packages": [
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
        ],
    }


def digest(prefix: Path, packages: list[str], conda: Mapping[str, str] | None = None) -> str:
    found = installed(packages, conda)
    return venv.digest(found, contents.commits(contents.packages(prefix, found, prefix.parent)))


def test_the_digest_is_equal_for_equal_content(tmp_path: Path) -> None:
    for machine, order in (("here", ["a", "b", "c"]), ("there/deeper", ["c", "b", "a"])):
        sources = {"a": {"url": (tmp_path / machine).as_uri(), "dir_info": {"editable": True}}, "b": GIT, "c": None}
        for name in order:
            put(tmp_path / machine, name, sources[name])
    here, there = tmp_path / "here", tmp_path / "there/deeper"
    assert digest(here, ["a", "b", "c"]) == digest(there, ["c", "a", "b"])
    conda = {"x": "1.0 0", "y": "1.0 0"}
    assert digest(here, [], conda) == digest(there, [], dict(reversed(conda.items())))


def test_another_content_has_another_digest(tmp_path: Path) -> None:
    put(tmp_path, "b", GIT | {"vcs_info": {"vcs": "git", "commit_id": COMMIT.replace("1", "2")}})
    other = tmp_path / "other"
    put(other, "b", GIT)
    every = [digest(tmp_path, ["b"]), digest(other, ["b"]), digest(other, ["a"])]
    every += [
        digest(other, [], conda) for conda in ({}, {"x": "1 0"}, {"x": "2 0"}, {"x": "1 1"}, {"x": "1 0", "y": "1 0"})
    ]
    assert len(set(every)) == len(every)
