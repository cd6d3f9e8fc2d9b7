"""dvc-pull where something is wrong: one clear error each, with its location, and nothing in the workspace changed."""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dvc_pull import STAGE
from integration.dvc_pull.conditions import CONFIG, FORKS, POINTER, remote, write
from integration.dvc_pull.repositories import IMAGES, RAW, Checkout, expect, md5, pull, site
from integration.refusals import run_here
from integration.suite import ROOT, base_environ


def change(name: str, old: str, new: str) -> Callable[[Checkout], object]:
    return lambda checkout: checkout.pointer(name, **{old: new})


def nothing(_: Checkout) -> None:
    """Leave it as it is."""


PULLING = "DVC 3.67.1 pulls here. Either a newer version wrote the file, or it has a typo."
LAUNCH = ("/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "dvc", "--exec")
IMPORT = """\
frozen: true
deps:
- path: data/raw.csv
  repo:
    url: http://ann:s3cr3t@127.0.0.1:9/x.git
    rev_lock: abcdefabcdefabcdefabcdefabcdefabcdefabcd
outs:
- md5: a740fb4e87215eb144ce46c1f795fd56
  hash: md5
  path: got
"""


@dataclass(frozen=True)
class Case:
    """What is done to a checkout, and the error that must come of it.

    Attributes:
        spoil: Makes something wrong.
        message: How the message begins.
        code: The exit code.
        place: File and line of the annotation.
        hint: What stands in the message, too.
        inputs: The inputs.
    """

    spoil: Callable[[Checkout], object]
    message: str
    code: int = 2
    place: tuple[str, int] = ("", 0)
    hint: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


def a_folder_in_place_of_the_object(checkout: Checkout) -> None:
    path = checkout.object(RAW)
    path.unlink()
    path.mkdir()


def a_conflict(checkout: Checkout) -> None:
    text = (checkout.folder / POINTER).read_text()
    (checkout.folder / POINTER).write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n")


CASES = {
    # Inputs
    "jobs": Case(nothing, "`jobs` does not accept `0`. Use a whole number", inputs={"jobs": "0"}),
    "verify": Case(nothing, "`verify` does not accept `no`. Use `true` or `false`.", inputs={"verify": "no"}),
    "unknown input": Case(
        nothing, "The action has no input `target`.", hint="Did you mean `targets`?", inputs={"target": "data"}
    ),
    "unknown target": Case(
        nothing, "`targets` names `data/rwa.csv`, which DVC does not track.", inputs={"targets": "data/rwa.csv"}
    ),
    "target that is no pointer": Case(
        write("x.dvc", ""), "`x.dvc` tracks nothing.", code=1, place=("x.dvc", 0), inputs={"targets": "x.dvc"}
    ),
    "dvc-dir": Case(nothing, "`dvc-dir` is `dta`, which is not a folder.", inputs={"dvc-dir": "dta"}),
    # The repository
    "no .dvc": Case(
        lambda checkout: shutil.rmtree(checkout.folder / ".dvc"),
        "There is no `.dvc` folder: DVC tracks no data here.",
        hint="Create it with `dvc init`",
    ),
    "no git": Case(
        lambda checkout: shutil.rmtree(checkout.folder / ".git"),
        "This is not a git repository, which DVC requires. Check it out with actions/checkout",
    ),
    # .dvc/config
    "config: broken": Case(
        write(CONFIG, "[core\n    remote = storage\n"),
        "`.dvc/config` is not a DVC configuration file.",
        place=(CONFIG, 1),
    ),
    "config: Latin-1": Case(write(CONFIG, b"# \xfc\n"), "`.dvc/config` is not UTF-8 text.", place=(CONFIG, 0)),
    "config: a key of another DVC": Case(
        remote("../../store", keyword="true"),
        "`.dvc/config` sets `keyword` of the remote `storage`, which a repository may not.",
        place=(CONFIG, 5),
        hint="`dvc remote modify --local`",
    ),
    "config: a key of another kind": Case(
        remote("../../store", region="north"),
        "DVC cannot use `.dvc/config`: extra keys not allowed @ data['remote']['storage']['region'].",
        place=(CONFIG, 0),
        hint=PULLING,
    ),
    "config: no remote": Case(
        write(CONFIG, ""),
        "There is no remote to pull `data/raw.csv` from: no default is set.",
        place=(POINTER, 2),
        hint="Run `dvc remote add -d NAME URL`",
    ),
    "config: unknown remote": Case(
        nothing,
        "`.dvc/config` has no remote `s3`. It has `storage`.",
        place=(CONFIG, 0),
        inputs={"remote": "s3"},
    ),
    "config: default that is not there": Case(
        write(CONFIG, "[core]\n    remote = storage\n"),
        "`.dvc/config` has no remote `storage`. It has none.",
        place=(CONFIG, 0),
    ),
    "config: Windows": Case(
        remote("C:\\Users\\ann\\dvc"),
        "The remote `storage` is `C:\\Users\\ann\\dvc`, a folder of a Windows computer.",
        place=(CONFIG, 0),
    ),
    "config: unsupported": Case(
        remote("gdrive://1a2b3c"),
        "The remote `storage` uses `gdrive://`, which is not supported. Supported are folders, s3://, gs://",
        place=(CONFIG, 0),
    ),
    # Pointers
    "pointer: no YAML": Case(
        write(POINTER, "outs:\n- md5: [a\n  path: raw.csv\n"),
        "`data/raw.csv.dvc` is not valid YAML: while parsing a flow sequence expected ',' or ']', but got ':'.",
        place=(POINTER, 3),
    ),
    "pointer: a conflict": Case(
        a_conflict,
        "`data/raw.csv.dvc` is not valid YAML: ",
        place=(POINTER, 2),
        hint="git conflict markers: resolve the conflict.",
    ),
    "pointer: Latin-1": Case(
        write(POINTER, b"outs:\n- md5: \xfc\n"), "`data/raw.csv.dvc` is not UTF-8 text.", place=(POINTER, 0)
    ),
    "pointer: of DVC 1": Case(
        change(POINTER, "  hash: md5\n", "  metric: false\n"),
        "`data/raw.csv.dvc` does not match DVC 3.67.1: extra keys not allowed (outs -> 0 -> metric).",
        place=(POINTER, 2),
        hint="DVC 1 wrote the file.",
    ),
    "pointer: of a newer DVC": Case(
        change(POINTER, "  hash: md5\n", "  signature: 1\n"),
        "`data/raw.csv.dvc` does not match DVC 3.67.1: extra keys not allowed (outs -> 0 -> signature).",
        place=(POINTER, 2),
        hint=PULLING,
    ),
    "pointer: no hash": Case(
        write(POINTER, "outs:\n- path: raw.csv\n"),
        "`data/raw.csv.dvc` has no content for `data/raw.csv`: it has no hash. Run `dvc add data/raw.csv`",
        code=1,
        place=(POINTER, 2),
    ),
    "pointer: an address of an unknown kind": Case(
        write("got.dvc", "deps:\n- path: hdfs://host/x\nouts:\n- path: got\n"),
        "`got.dvc` has the address `hdfs://host/x`, which cannot be read here.",
        place=("got.dvc", 2),
        hint="Supported are folders, s3://, ",
    ),
    "pointer: of a file that DVC is to ignore": Case(
        write(".dvcignore", "raw.csv\n"),
        "`data/raw.csv.dvc` tracks `raw.csv`, which DVC ignores. Use another path, or fix `.dvcignore`.",
        place=(POINTER, 0),
    ),
    "pointer: a broken one, and another is asked for": Case(
        write("got.dvc", "deps: [{path: 'hdfs://host/x'}]\nouts:\n- path: got\n"),
        "`got.dvc` has the address `hdfs://host/x`, which cannot be read here.",
        place=("got.dvc", 1),
        inputs={"targets": POINTER},
    ),
    "pointer: a broken one, and a stage is asked for": Case(
        write("got.dvc", "outs:\n- md5: 1\n  path: [got]\n"),
        "`got.dvc`: `1` is not a valid MD5.",
        place=("got.dvc", 2),
        inputs={"targets": "clean"},
    ),
    "dvc.lock: of DVC 1": Case(
        write("dvc.lock", "clean:\n  cmd: cp\n  outs:\n  - path: data/clean.csv\n    md5: 00\n"),
        "`dvc.lock` does not match DVC 3.67.1: ",
        place=("dvc.lock", 2),
        hint="DVC 1 wrote the file.",
    ),
    "dvc.lock: does not know a stage": Case(
        change("dvc.yaml", "  clean:", "  wash:"),
        "`dvc.yaml` has no content for `data/clean.csv`: `dvc.lock` does not know the outputs of the stage `wash`. "
        "Run `dvc repro wash`, commit `dvc.lock`, and run `dvc push`.",
        code=1,
        place=("dvc.yaml", 5),
    ),
    "dvc.lock: of another command": Case(
        change("dvc.yaml", "cp data/raw.csv", "head -3 data/raw.csv >data/clean.csv; cp data/raw.csv"),
        "`dvc.lock` is outdated: the stage `clean` was run with another command than `dvc.yaml` has now. "
        "Run `dvc repro clean`, commit `dvc.lock`, and run `dvc push`.",
        code=1,
        place=("dvc.lock", 0),
    ),
    "dvc.lock: of other data": Case(
        change(POINTER, md5(RAW.encode()), "0a" * 16),
        "`dvc.lock` is outdated: the stage `clean` was run with another `data/raw.csv` than `data/raw.csv.dvc` tracks "
        "now. Run `dvc repro clean`",
        code=1,
        place=("dvc.lock", 8),
        inputs={"targets": "clean"},
    ),
    "dvc.lock: lost": Case(
        lambda checkout: (checkout.folder / "dvc.lock").unlink(),
        "`dvc.yaml` has no content for `data/clean.csv`: `dvc.lock` does not know the outputs of the stage `clean`.",
        code=1,
        place=("dvc.yaml", 5),
    ),
    # The remote
    "missing object": Case(
        lambda checkout: checkout.object(RAW).unlink(),
        "`data/raw.csv` is missing in the remote `storage`: `",
        code=1,
        place=(POINTER, 2),
        hint="Run this where the file exists: `dvc push data/raw.csv`.",
        inputs={"targets": "data"},
    ),
    "missing in a folder": Case(
        lambda checkout: checkout.object(IMAGES["1.txt"]).unlink(),
        "`data/images/1.txt` is missing in the remote `storage`: `",
        code=1,
        place=("data/images.dvc", 2),
    ),
    "a folder in place of an object": Case(
        a_folder_in_place_of_the_object,
        "`data/raw.csv` is missing in the remote `storage`: `",
        code=1,
        place=(POINTER, 2),
        inputs={"targets": POINTER},
    ),
    "a remote that is not there": Case(
        lambda checkout: shutil.rmtree(checkout.store),
        "The remote `storage` (",
        code=3,
        hint="/store) does not exist. Use a remote that every machine can reach, not a folder.",
    ),
    "a name that nobody has": Case(
        remote("http://no-such-host.invalid/data"),
        "The remote `storage` (http://no-such-host.invalid/data) cannot be reached: ",
        code=3,
        hint="Check its URL and the network.",
    ),
    "an import whose source is gone": Case(
        write("got.dvc", IMPORT),
        "`got` is an import or versioned data, and DVC could not fetch it.",
        code=3,
        place=("got.dvc", 8),
        hint=FORKS,
        inputs={"targets": "got.dvc"},
    ),
    "no account of Azure": Case(
        remote("azure://acme/data"),
        "The remote `storage` (azure://acme/data) requires credentials, and none were found. Set them: AZURE_STORAGE_",
        code=3,
        hint=FORKS,
    ),
    "SSH where nothing is": Case(
        remote("ssh://ann@127.0.0.1/data", port="9"),
        "The remote `storage` (ssh://127.0.0.1:9/data) cannot be reached: ",
        code=3,
    ),
    "basic authentication without a password": Case(
        remote("http://ann@127.0.0.1:1/data", auth="basic"),
        "DVC cannot use `.dvc/config`: HTTP 'basic' authentication require both 'user' and 'password'.",
        place=(CONFIG, 0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_is_one_clear_error(checkout: Checkout, name: str) -> None:
    case = CASES[name]
    case.spoil(checkout)
    before = checkout.listing()
    done = run_here(checkout.workspace, STAGE, case.inputs, site(checkout.workspace))
    errors = expect(done, case.code)
    assert "s3cr3t" not in done.log
    file, line, message = errors[0]
    assert message.startswith(case.message), message
    assert case.hint in message
    assert (file, line) == case.place
    assert len(errors) == 1
    assert checkout.listing() == before
    assert not list((checkout.folder / "data").glob("*.csv"))


# --- Several files


TWICE = "a,b\n1,2\n"
STAGES = """\
stages:
  a split:
    cmd: echo split
    outs: ["aaa's.csv"]
  b:
    cmd: echo copy
    deps: ["aaa's.csv"]
    outs: [sub/zzz.csv]
"""
LOCK = """\
schema: '2.0'
stages:
  a split:
    cmd: echo split
    outs:
    - path: aaa's.csv
      hash: md5
      md5: {md5}
      size: 8
  b:
    cmd: echo copy
    deps:
    - path: aaa's.csv
      hash: md5
      md5: {md5}
      size: 8
    outs:
    - path: sub/zzz.csv
      hash: md5
      md5: {md5}
      size: 8
"""


def test_files_with_the_same_content_are_all_named(checkout: Checkout) -> None:
    """Each on its own line, with a command for it that can be pasted, and mends it."""
    hashed = md5(TWICE.encode())
    checkout.workspace.write("dvc.yaml", STAGES)
    checkout.workspace.write("dvc.lock", LOCK.format(md5=hashed))
    checkout.workspace.write("one file.csv.dvc", f"outs:\n- hash: md5\n  md5: {hashed}\n  path: one file.csv\n")
    (checkout.folder / "sub").mkdir()
    done = pull(checkout)
    errors = expect(done, 1)
    assert [error[:2] for error in errors] == [("dvc.lock", 8), ("dvc.lock", 20), ("one file.csv.dvc", 3)]
    names = ("aaa's.csv", "sub/zzz.csv", "one file.csv")
    assert all(message.startswith(f"`{name}` is missing") for name, (*_, message) in zip(names, errors, strict=True))
    program = checkout.workspace.write("../bin/dvc", f'#!/bin/sh\nexec {shlex.join(LAUNCH)} dvc "$@"\n')
    program.chmod(0o755)
    environ = {**base_environ(), **site(checkout.workspace), "HOME": str(checkout.workspace.home)}
    environ["PATH"] = f"{program.parent}:{environ['PATH']}"
    checkout.workspace.write(str(checkout.object(TWICE, checkout.cache)), TWICE)
    for *_, message in errors:
        command = message.split("`")[-2]
        assert f"`{command}`" in done.summary
        checkout.object(TWICE).unlink(missing_ok=True)
        subprocess.run(["bash", "-c", command], cwd=checkout.folder, env=environ, check=True)
        assert checkout.object(TWICE).read_text() == TWICE, command
    assert pull(checkout).code == 0


def test_two_stages_with_the_same_content_and_an_empty_remote(checkout: Checkout) -> None:
    out = "    outs:\n    - path: {}.csv\n      hash: md5\n      md5: 344fd2323dd33d5c058b7cf27de029e8\n      size: 8\n"
    stages, lock = "stages:\n", "schema: '2.0'\nstages:\n"
    for name in ("aaa", "zzz"):
        stages += f"  {name}:\n    cmd: echo {name}\n    outs: [{name}.csv]\n"
        lock += f"  {name}:\n    cmd: echo {name}\n{out.format(name)}"
    checkout.workspace.write("dvc.yaml", stages)
    checkout.workspace.write("dvc.lock", lock)
    shutil.rmtree(checkout.folder / "data")
    shutil.rmtree(checkout.store)
    checkout.store.mkdir()
    errors = expect(pull(checkout), 1)
    assert [error[:2] for error in errors] == [("dvc.lock", 8), ("dvc.lock", 15)]
    assert [message.partition(" is missing in the remote `storage`: ")[0] for *_, message in errors] == [
        "`aaa.csv`",
        "`zzz.csv`",
    ]
