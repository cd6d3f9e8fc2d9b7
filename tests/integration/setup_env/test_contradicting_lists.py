"""Lists that pin packages which contradict each other, as `pip freeze` writes them: installed as listed."""

from pathlib import Path

from integration.index_server import make_wheel
from integration.setup_env.shops import ONE, Shop, ask, cache_key, installed
from integration.setup_env.test_lists import FROM_GIT, git_repository
from notebook_ci.records.environment import read_marker

FREEZE = "NBneeds==1.0\nnbone[x] == 2.0  # newer\nnbtwo==1.0; sys_platform == 'x'\n-e {}#egg=local\nipykernel==1.0\n"


def test_a_contradicting_freeze_is_installed_as_listed(shop: Shop) -> None:
    make_wheel(shop.index.folder, "nbone", "2.0")
    make_wheel(shop.index.folder, "nbneeds", metadata="Requires-Dist: nbone<2\n")
    shop.workspace.write("requirements.txt", FREEZE.format(git_repository(shop)))
    first, key, second = shop.setup(), cache_key(shop), shop.setup()
    expected = {**FROM_GIT, "nbone": "2.0", "nbneeds": "1.0"}
    for done in (first, second):  # a reused one is warned of, too
        assert (done.code, installed(done), done.record["as_listed"]) == (0, expected, True), done.log
        [warning] = done.annotations("warning")
        assert warning.place == ("requirements.txt", 0)
        assert warning.message == (
            "`requirements.txt` contradicts itself: its packages are installed as listed, without resolving. The "
            "package `nbneeds` requires `nbone<2`, but `2.0` is installed. List what the notebooks import in "
            "`requirements.in`, run `uv pip compile requirements.in --output-file pylock.toml`, and commit both files."
        )
        assert "does not fix all versions" not in done.log  # its command would fail
    assert ask(first, "import nbone; print(nbone.VERSION)") == "2.0"
    assert second.outputs["env-digest"] == first.outputs["env-digest"]
    assert (first.record["reused"], second.record["reused"]) == (False, True)
    assert key == f"notebook-ci-env-{read_marker(Path(first.outputs['python']).parents[1]).key}"
    # Without the contradiction, nothing is said, and all is resolved.
    shop.workspace.write("requirements.txt", "nbneeds==1.0\nipykernel==1.0\n")
    done = shop.setup()
    assert (done.code, installed(done), done.annotations("warning")) == (0, {**ONE, "nbneeds": "1.0"}, []), done.log
    assert not done.record["as_listed"]
