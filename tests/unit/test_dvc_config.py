"""DVC's configuration, as far as it is read before DVC runs."""

from pathlib import Path

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.plan import Nothing
from notebook_ci.base.texts import without_secrets
from notebook_ci.base.workspace import Workspace
from notebook_ci.dvc_pull.config import Config, find_root, without_credentials
from notebook_ci.dvc_pull.model import DvcPullInputs
from notebook_ci.dvc_pull.run import plan

TEXT = """\
[core]
    remote = storage
    autostage = true
['remote "storage"']
    url = s3://bucket/data  # ours
    endpointurl = http://x
['remote "in a folder"']
    url = remote://storage/more
[cache]
    dir = ../cache of all
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def read(root: Path, text: str, local: str = "", user: str = "") -> Config:
    for name, content in {".dvc/config": text, ".dvc/config.local": local, "user/config": user}.items():
        if content:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
    return Config.read(root, "", {"DVC_GLOBAL_CONFIG_DIR": str(root / "user")})


def test_remotes_default_and_cache(root: Path) -> None:
    config = read(root, TEXT)
    assert (config.default, set(config.urls)) == ("storage", {"storage", "in a folder"})
    assert (config.remote("storage").url, config.remote("storage").kind) == ("s3://bucket/data", "s3")
    assert config.remote("in a folder").kind == "s3"
    assert config.cache.resolve() == root / "cache of all"


def test_what_is_nearer_wins(root: Path) -> None:
    config = read(root, TEXT, local="['remote \"storage\"']\nurl = ../x\n[core]\nremote = other\n", user=TEXT)
    assert config.default == "other"
    assert (config.remote("storage").kind, config.urls["storage"]) == ("local", ("../x", ".dvc/config.local"))


def test_without_files_there_is_nothing(root: Path) -> None:
    config = read(root, "")
    assert (config.default, dict(config.urls), config.cache) == ("", {}, root / ".dvc" / "cache")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("../dvc-storage", "local"),
        ("/mnt/data", "local"),
        ("s3://b/x", "s3"),
        ("http://h/x", "http"),
        ("https://h/x", "http"),
        ("ssh://h/x", "ssh"),
        ("gs://b/x", "gs"),
        ("azure://c/x", "azure"),
    ],
)
def test_kinds(root: Path, url: str, kind: str) -> None:
    assert read(root, f"['remote \"a\"']\nurl = {url}\n").remote("a").kind == kind


@pytest.mark.parametrize(("url", "shown"), [("../dvc-storage", "dvc-storage"), ("/mnt/data", "/mnt/data")])
def test_a_folder_is_shown_as_the_user_knows_it(root: Path, url: str, shown: str) -> None:
    assert read(root, f"['remote \"a\"']\nurl = {url}\n").remote("a").url == shown


def test_a_folder_of_another_remote_is_shown_by_its_address(root: Path) -> None:
    config = read(root, "['remote \"a\"']\nurl = ../store\n['remote \"b\"']\nurl = remote://a/more\n")
    assert (config.remote("b").kind, config.remote("b").url) == ("local", "remote://a/more")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("remote://b/x", "The remote `b` leads in a circle."),
        ("remote://c/x", "The remote `b` leads to `c`, which does not exist."),
        ("hdfs://h/x", "The remote `b` uses `hdfs://`, which is not supported. Supported are"),
        ("http://ann:p/w@host/x", "The URL of the remote `b` has a password with an unquoted `/`, `?` or `#`."),
    ],
)
def test_a_folder_of_a_remote_that_cannot_be_used(root: Path, other: str, message: str) -> None:
    config = read(root, f"['remote \"a\"']\nurl = {other}\n['remote \"b\"']\nurl = remote://a/more\n")
    with pytest.raises(InputError) as raised:
        config.remote("b")
    assert f"{raised.value.message} {raised.value.hint}".startswith(message)


def test_a_long_chain_of_remotes_ends(root: Path) -> None:
    chain = "".join(f"['remote \"{number}\"']\nurl = remote://{number + 1}\n" for number in range(3000))
    with pytest.raises(InputError, match="The remote `0` leads to `3000`, which does not exist"):
        read(root, chain).remote("0")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("hdfs://h/x", "The remote `a` uses `hdfs://`, which is not supported."),
        ("C:/Users/ann/dvc", "The remote `a` is `C:/Users/ann/dvc`, a folder of a Windows computer"),
        ("\\\\server\\share", "The remote `a` is `\\\\server\\share`, a folder of a Windows computer"),
    ],
)
def test_what_cannot_be_pulled_from(root: Path, url: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        read(root, f"['remote \"a\"']\nurl = {url}\n").remote("a")
    assert raised.value.message.startswith(message)
    assert raised.value.file == ".dvc/config"


@pytest.mark.parametrize("text", ["[core\n", "remote = x\n", "[core]\nremote\n"])
def test_what_is_no_configuration(root: Path, text: str) -> None:
    with pytest.raises(InputError) as raised:
        read(root, text)
    assert raised.value.message == "`.dvc/config` is not a DVC configuration file."
    assert raised.value.line


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:pw@host:8080/x?sig=1#f", "https://host:8080/x"),
        ("ssh://ann@host/x", "ssh://host/x"),
        ("http://ann:p/w@host/x", "http://host/x"),
        ("http://ann:p#w@host/x", "http://host/x"),
        ("s3://bucket/x", "s3://bucket/x"),
        ("../a@b?c", "../a@b?c"),
    ],
)
def test_credentials_are_taken_out_of_addresses(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_credentials_are_taken_out_of_what_a_tool_says() -> None:
    said = "cannot get 'https://ann:p@w@host/x?sig=1' from https://host/y#z or ../a@b?c"
    assert without_secrets(said) == "cannot get 'https://host/x' from https://host/y or ../a@b?c"


def test_the_root_is_looked_for_up_to_that_of_git(root: Path) -> None:
    inner = root / "a" / "b"
    inner.mkdir(parents=True)
    assert find_root(inner) == root
    (root / "a" / ".git").mkdir()
    assert find_root(inner) is None


def test_nothing_is_planned_without_dvc(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {})
    (tmp_path / ".git").mkdir()
    nothing = plan(DvcPullInputs(), workspace)
    assert isinstance(nothing, Nothing)
    assert ".dvc" in nothing.reason
    for asked in (DvcPullInputs(targets=("data",)), DvcPullInputs(remote="storage")):
        with pytest.raises(InputError, match=r"no `\.dvc` folder"):
            plan(asked, workspace)
    (tmp_path / ".dvc").mkdir()
    assert not isinstance(plan(DvcPullInputs(), workspace), Nothing)
