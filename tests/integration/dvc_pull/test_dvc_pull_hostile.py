"""dvc-pull on a repository that a stranger wrote: nothing of it runs, and nothing is written outside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dvc_pull import STAGE
from integration.dvc_pull.repositories import IMAGES, RAW, Checkout, expect, git, md5, pull
from integration.refusals import run_here
from integration.suite import Workspace

CONFIG = ".dvc/config"
LOCAL = ".dvc/config.local"
EVIL = "data/evil.dvc"
HASH = md5(RAW.encode())
DEEP = 100_000


def pointer(path: str, hashed: str = HASH, more: str = "") -> str:
    return f"outs:\n- md5: {hashed}\n  hash: md5\n  path: {path}\n{more}"


def everything(folder: Path) -> dict[str, bytes | str]:
    """Return all files below a folder, but for those of git and of the run."""
    found: dict[str, bytes | str] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file() and not name.startswith(("site/", "temp", "uv")):
            found[name] = path.read_bytes()
    return found


# --- Configuration

AWS = "[profile evil]\ncredential_process = touch {}\n"


def evil_cloud(checkout: Checkout, name: str) -> Path:
    """Give the remote a file of settings with a program in it; return what the program would make."""
    made = checkout.workspace.base / "it-ran"
    checkout.workspace.write("aws.cfg", AWS.format(made))
    checkout.workspace.write(
        name,
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://penguins/dvc\n"
        f"    endpointurl = http://127.0.0.1:9\n    configpath = {checkout.folder}/aws.cfg\n    profile = evil\n",
    )
    return made


def test_a_program_in_the_settings_does_not_run(checkout: Checkout) -> None:
    made = evil_cloud(checkout, CONFIG)
    file, line, message = expect(pull(checkout), 2)[0]
    assert (file, line) == (CONFIG, 6)
    assert message.startswith(
        "`.dvc/config` sets `configpath` of the remote `storage`, which a repository may not. It can"
    )
    assert not made.exists()


def test_nor_where_config_local_was_committed(checkout: Checkout) -> None:
    made = evil_cloud(checkout, LOCAL)
    git(checkout.folder, "add", "--force", LOCAL)
    file, _, message = expect(pull(checkout), 2)[0]
    assert file == LOCAL
    assert "`configpath`" in message
    assert not made.exists()


def test_a_config_local_that_git_ignores_is_the_owners(checkout: Checkout) -> None:
    made = evil_cloud(checkout, LOCAL)
    assert pull(checkout, {"AWS_EC2_METADATA_DISABLED": "true"}, targets="data/raw.csv.dvc").code == 3
    assert made.exists()


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("['remote \"a\"']\nurl = gs://b\ncredentialpath = ../key.json\n", "credentialpath"),
        ("['remote \"a\"']\nurl = gs://b\n'CredentialPath' = ../key.json\n", "credentialpath"),
        ("['remote \"a\"']\nurl = ssh://b\nkeyfile = ../key\n", "keyfile"),
        ("['remote\"a\"']\nurl = webdav://b\nbearer_token_command = id\n", "bearer_token_command"),
        ("[remote]\n[[a]]\nurl = s3://b\nconfigpath = ../x\n", "configpath"),
        ("['remote \"a\"']\nurl = remote://storage/x\nconfigpath = ../x\n", "configpath"),
        ("[core]\nsite_cache_dir = ../pickles\n", "site_cache_dir"),
    ],
)
def test_what_a_repository_may_not_set(checkout: Checkout, text: str, option: str) -> None:
    checkout.workspace.write(CONFIG, text)
    file, _, message = expect(pull(checkout), 2)[0]
    assert file == CONFIG
    assert message.startswith(f"`.dvc/config` sets `{option}` of ")


@pytest.mark.parametrize(
    "text",
    [
        "deps:\n- path: s3://b/c\n  fs_config: {configpath: aws.cfg}\n",
        "deps:\n- path: x\n  repo: {url: http://127.0.0.1:9, rev_lock: abc, remote: {configpath: aws.cfg}}\n",
        "deps:\n- path: x\n  repo: {url: http://127.0.0.1:9, rev_lock: abc, config: aws.cfg}\n",
    ],
)
def test_nor_may_a_pointer(checkout: Checkout, text: str) -> None:
    checkout.workspace.write(EVIL, pointer("evil") + text)
    file, _, message = expect(pull(checkout), 2)[0]
    assert file == EVIL
    assert "which a repository may not. It can name files" in message


# --- Pointers


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (pointer("../../outside.csv"), "tracks `", 2),
        (pointer("/outside.csv"), "tracks `/outside.csv`, which is outside the repository.", 2),
        (
            pointer("../.git/hooks/post-checkout"),
            "`data/evil.dvc` tracks `../.git/hooks/post-checkout`, which DVC ignores.",
            0,
        ),
        (pointer("../.GIT/hooks/x"), "tracks `.GIT/hooks/x`, which is in a folder of git or DVC.", 2),
        (pointer("s3://b/c"), "tracks `s3://b/c`, which is not a file of this repository.", 0),
        (pointer('"a\\0b"'), "is not a valid path.", 2),
        (pointer("evil", "../../../home/key"), "`../../../home/key` is not a valid MD5.", 2),
        (pointer("evil", "../../../home/key.dir"), "`../../../home/key.dir` is not a valid MD5.", 2),
        (pointer("evil", HASH.upper()), " is not a valid MD5.", 2),
        (pointer("evil", "12345"), "`12345` is not a valid MD5.", 2),
        (pointer("evil", "''"), "it has no hash.", 0),
        ("[" * 1000, "is nested too deeply.", 0),
    ],
    ids=range(12),
)
def test_pointers(checkout: Checkout, text: str, message: str, line: int) -> None:
    checkout.workspace.write(EVIL, text)
    before = everything(checkout.workspace.base / "store")
    errors = expect(pull(checkout, targets=EVIL), 1 if "md5: ''" in text else 2)
    assert EVIL in errors[0][2]
    assert message in errors[0][2]
    if line:
        assert errors[0][:2] == (EVIL, line)
    assert everything(checkout.workspace.base / "store") == before
    assert not (checkout.workspace.base / "outside.csv").exists()
    assert not (checkout.folder / ".git" / "hooks" / "post-checkout").exists()


def test_a_link_that_leads_out(checkout: Checkout) -> None:
    outside = checkout.workspace.base / "outside"
    outside.mkdir()
    (checkout.folder / "data" / "link").symlink_to("../../outside")
    checkout.workspace.write(EVIL, pointer("link/raw.csv"))
    message = expect(pull(checkout, targets=EVIL), 2)[0][2]
    assert "link" in message
    assert not list(outside.iterdir())


def test_a_link_in_a_folder_of_data(checkout: Checkout) -> None:
    outside = checkout.workspace.base / "outside"
    outside.mkdir()
    (checkout.folder / "data" / "images").mkdir()
    (checkout.folder / "data" / "images" / "deep").symlink_to("../../../outside")
    message = expect(pull(checkout, targets="data/images.dvc"), 2)[0][2]
    assert "`data/images/deep`, a link that leads out of the repository." in message
    assert not list(outside.iterdir())


# --- Lists of files


def entry(path: object, hashed: object = HASH) -> str:
    return json.dumps([{"md5": HASH, "relpath": "good.csv"}, {"md5": hashed, "relpath": path}])


LEADING_OUT_PLAINLY = (entry("../outside.csv"), entry("/outside.csv"), entry("a", "../../../home/key"))
LEADING_OUT = (
    *LEADING_OUT_PLAINLY,
    *map(entry, ("a//b", "", "a/../b", ".", "a\0b", "\ud800", ".git/x", ".GIT/x", ".dvc/x", None)),
    *(entry("a", hashed) for hashed in (None, 1, "..", f"{HASH}.dir", HASH.upper())),
)
NO_LISTS = ("[1]", "{}", "[" * DEEP, "\x00")


LISTS = [
    *((content, "true") for content in LEADING_OUT + NO_LISTS),
    *((content, "false") for content in LEADING_OUT_PLAINLY),
]


@dataclass(frozen=True)
class PulledLists:
    checkout: Checkout
    problems: list[dict[str, Any]]  # of the record: a runner shows only some of so many


@pytest.fixture(scope="module")
def pulled_lists(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PulledLists]:
    """What pulls of all lists at once say, by `verify`. Each has a pointer `data/evil-N.dvc` of its own."""
    pulled = {}
    for verify in ("true", "false"):
        checkout = Checkout.of(made, Workspace(tmp_path_factory.mktemp("lists")))
        for number, (content, its_verify) in enumerate(LISTS):
            if its_verify != verify:
                continue
            hashed = md5(content.encode())
            path = checkout.store / "files" / "md5" / hashed[:2] / f"{hashed[2:]}.dir"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
            checkout.workspace.write(f"data/evil-{number}.dvc", pointer(f"evil-{number}", f"{hashed}.dir"))
        done = pull(checkout, targets="data", verify=verify)
        expect(done, 1)
        pulled[verify] = PulledLists(checkout, done.record["problems"])
    return pulled


@pytest.mark.parametrize("number", range(len(LISTS)))
def test_lists(pulled_lists: dict[str, PulledLists], number: int) -> None:
    content, verify = LISTS[number]
    pulled = pulled_lists[verify]
    [problem] = [problem for problem in pulled.problems if problem["file"] == f"data/evil-{number}.dvc"]
    assert (problem["line"], problem["severity"]) == (2, "error")
    start = f"The file list of `data/evil-{number}` ({md5(content.encode())}.dir) is corrupt"
    assert problem["message"].startswith(start)
    assert "relpath" not in content or ": entry 2 has " in problem["message"]
    assert not (pulled.checkout.folder / "data" / f"evil-{number}").exists()
    assert not (pulled.checkout.folder / "data" / "outside.csv").exists()


def test_a_good_list_passes(checkout: Checkout) -> None:
    assert pull(checkout, targets="data/images.dvc").code == 0
    assert (checkout.folder / "data" / "images" / "deep" / "3.txt").read_text() == IMAGES["deep/3.txt"]


# --- Inputs, addresses, and the key of the cache


@pytest.mark.parametrize(("flags", "code"), [([], 2), (["--name-cache"], 0)])
def test_a_very_long_folder(checkout: Checkout, flags: list[str], code: int) -> None:
    for name in ("dvc-dir", "working-directory"):
        done = run_here(checkout.workspace, STAGE, {name: "a" * 5000}, flags=flags)
        assert "Traceback" not in done.log
        assert done.code == code


@pytest.mark.parametrize("password", ["s3cr3t/pw", "s3cr3t#pw", "s3cr3t?pw", "s3cr3t@pw"])
def test_odd_passwords_in_addresses_stand_nowhere(checkout: Checkout, password: str) -> None:
    checkout.workspace.write(
        CONFIG, f"[core]\nremote = storage\n['remote \"storage\"']\nurl = 'http://ann:{password}@127.0.0.1:9/x'\n"
    )
    done = pull(checkout)
    assert done.code in {2, 3}
    written = [path.read_text() for path in Path(done.outputs["record"]).parent.rglob("*") if path.is_file()]
    assert not [text for text in (*written, done.log, done.summary) if "s3cr3t" in text]


def key(workspace: Workspace, folder: str) -> dict[str, str]:
    workspace.write(
        CONFIG, f"[core]\nremote = s\n[cache]\ndir = {folder}\n['remote \"s\"']\nurl = https://data.example/x\n"
    )
    return dict(run_here(workspace, STAGE, {}, flags=["--name-cache"]).outputs)


@pytest.mark.parametrize(
    ("folder", "kept"),
    [
        ("../shared", True),
        ("cache", True),
        ("..", False),
        ("../..", False),
        ("../.git", False),
        ("~/.docker", False),
        ("/", False),
        ("../link", False),
    ],
)
def test_what_may_be_kept_as_a_cache(checkout: Checkout, folder: str, kept: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    (checkout.folder / "link").symlink_to("/")
    assert bool(key(checkout.workspace, folder)) is kept
