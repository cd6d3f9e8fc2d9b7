"""setup-env installs `conda-lock.yml` and `pixi.lock`: from a channel and an index, both on loopback."""

from collections.abc import Callable

import pytest

from integration.index_server import digest
from integration.setup_env.shops import Shop, installed
from notebook_ci.base.conda import this_platform
from servers.conda import Channel, python

ENVIRONMENT = "channels: [local]\ndependencies:\n  - python\n  - geo\n  - pip:\n    - nbone==1.0\n"
# As conda-lock 4.0.3 computes them from this file.
HASHES = """\
    linux-64: fe5644734d08a072adeb29d99bbf973c565e1d2d3da4851ffbccf0a2150f1295
    linux-aarch64: 7dc7eec432732035c4b68eed627abecc8c1e683d416ef8d3ac2afbbc7b60c7e5
    osx-arm64: 639b10ed4b13d085a4be39034f55753c2fe53bde554cde54063cdc3f2efc076f
"""
MANIFEST = """\
[workspace]
channels = ["local"]
platforms = ["linux-64"]
[dependencies]
python = ">=3"
[target.unix.dependencies]
geo = { version = "1.*" }
[pypi-dependencies]
NBone = "==1.0"
"""
CONDA = {"geo": "1.0 0", "greet": "1.0 0", "python": f"{python().version} 0"}
OTHER = "win-64"
STEMS = ("python", "geo", "greet-1.0")
FILES = {"conda-lock.yml": ("environment.yml", ENVIRONMENT), "pixi.lock": ("pixi.toml", MANIFEST)}
each_lock = pytest.mark.parametrize("name", FILES)


def conda_lock(shop: Shop, channel: Channel) -> str:
    """Return a lock as conda-lock writes it; a development package does not exist."""
    wheel = next(shop.index.folder.glob("nbone-*.whl"))
    rows = [(path.stem.rsplit("-", 2), channel.address(stem), path) for stem in STEMS for path in [channel.path(stem)]]
    packages = [(name, version, "conda", url, digest(path), "main") for (name, version, _), url, path in rows]
    packages.append(("nbone", "1.0", "pip", shop.index.url(f"/files/{wheel.name}"), digest(wheel), "main"))
    packages.append(("nope", "1.0", "conda", f"{channel.url}/noarch/nope-1.0-0.conda", "f" * 64, "dev"))
    items = (
        f"- name: {name}\n  version: '{version}'\n  manager: {manager}\n  platform: {this_platform()}\n"
        f"  dependencies: {{}}\n  url: {url}\n  hash:\n    md5: {hashed[:32]}\n    sha256: {hashed}\n"
        f"  category: {category}\n"
        f"  optional: {'false' if category == 'main' else 'true'}\n"
        for name, version, manager, url, hashed, category in packages
    )
    channels = "  channels:\n  - url: local\n    used_env_vars: []\n"
    platforms = f"  platforms:\n  - {this_platform()}\n  sources:\n  - environment.yml\n"
    return f"version: 1\nmetadata:\n  content_hash:\n{HASHES}{channels}{platforms}package:\n{''.join(items)}"


def pixi_lock(shop: Shop, channel: Channel) -> str:
    """Return a lock as pixi writes it (version 6 of its format)."""
    wheel = next(shop.index.folder.glob("nbone-*.whl"))
    url = shop.index.url(f"/files/{wheel.name}")
    addresses = [channel.address(stem) for stem in STEMS]
    listed = "".join(f"      - conda: {each}\n" for each in addresses)
    items = "".join(
        f"- conda: {each}\n  sha256: {digest(channel.path(stem))}\n"
        for each, stem in zip(addresses, STEMS, strict=True)
    )
    return (
        f"version: 6\nenvironments:\n  default:\n    channels:\n    - url: {channel.url}/\n    packages:\n"
        f"      {this_platform()}:\n{listed}      - pypi: {url}\n"
        f"packages:\n{items}- pypi: {url}\n  name: nbone\n  version: '1.0'\n  sha256: {digest(wheel)}\n"
    )


TEXTS: dict[str, Callable[[Shop, Channel], str]] = {"conda-lock.yml": conda_lock, "pixi.lock": pixi_lock}


@each_lock
def test_a_lock_is_installed_and_reused_while_it_is_fresh(shop: Shop, channel: Channel, name: str) -> None:
    beside, text = FILES[name]
    shop.workspace.write(beside, text)
    shop.workspace.write(name, TEXTS[name](shop, channel))
    done = shop.setup()
    assert done.code == 0, done.log
    assert done.record["conda_packages"] == CONDA
    assert installed(done) == {"greet": "1.0", "ipykernel": "1.0", "nbone": "1.0"}
    assert (done.record["fixed"], done.record["read"].keys()) == (True, {name, beside})
    assert shop.setup().record["reused"]
    shop.workspace.write(beside, text.replace("1.*", "2.*").replace("geo\n", "geo=2\n"))
    stale = shop.setup()
    [error] = stale.annotations()
    command = f"{name.partition('.')[0]} lock"
    what, hint = f"`{name}` no longer matches its `{beside}`.", f"Run `{command}`, and commit the new `{name}`."
    assert (stale.code, error.message) == (2, f"{what} {hint}"), stale.log
    allowed = shop.setup(frozen="false")
    [warning] = allowed.annotations("warning")
    assert (allowed.code, allowed.record["conda_packages"]) == (0, CONDA), allowed.log
    assert warning.message == f"{what} It is installed as it is, because `frozen` is `false`. {hint}"


@each_lock
def test_a_lock_that_cannot_be_used_is_refused(shop: Shop, channel: Channel, name: str) -> None:
    beside, text = FILES[name]
    shop.workspace.write(beside, text)
    right = TEXTS[name](shop, channel)
    tool = {"conda-lock.yml": "conda-lock", "pixi.lock": "py-rattler"}[name]
    changed = right.replace(digest(channel.path("greet-1.0")), "f" * 64)
    cases = [
        (right.replace(this_platform(), OTHER), 2, f"`{name}` is not for {this_platform()}. Create it for"),
        (right.replace("version: ", "version: 9", 1), 2, f"{tool} cannot export `{name}`: "),
        (changed, 3, "The package `greet-1.0-0.conda` from the channel differs from the expected one"),
    ]
    for wrong, code, message in cases if name == "pixi.lock" else cases[:2]:
        shop.workspace.write(name, wrong)
        done = shop.setup()
        assert (done.code, done.annotations()[0].message[: len(message)]) == (code, message), done.log
    if name == "pixi.lock":
        shop.workspace.write(name, right)
        shop.workspace.write(beside, text.replace("NBone", "absent"))
        assert "no longer matches" in shop.setup().annotations()[0].message
