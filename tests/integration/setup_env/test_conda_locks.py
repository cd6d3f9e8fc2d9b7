"""setup-env installs `conda-lock.yml` and `pixi.lock`: from a channel and an index, both on loopback."""

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


def text_of(name: str, shop: Shop, channel: Channel) -> str:
    wheel = next(shop.index.folder.glob("nbone-*.whl"))
    url = shop.index.url(f"/files/{wheel.name}")
    if name == "pixi.lock":
        return channel.pixi_lock(STEMS, wheel, url)
    return channel.conda_lock(STEMS, wheel, url, f"  content_hash:\n{HASHES}  sources:\n  - environment.yml\n")


@each_lock
def test_a_lock_is_installed_and_reused_while_it_is_fresh(shop: Shop, channel: Channel, name: str) -> None:
    beside, text = FILES[name]
    shop.workspace.write(beside, text)
    shop.workspace.write(name, text_of(name, shop, channel))
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
    right = text_of(name, shop, channel)
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
