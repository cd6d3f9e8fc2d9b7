"""200 secrets are planted in a run of the chain and around it, and nothing is left of them in what the stages write.

Notebooks show all of them: the values of 100 variables in every encoding, and 100 tokens of known formats in plain text
only, because nobody can find an unknown token in base64. Some are also in what other stages read: addresses of an index
and of packages (setup-env), of a remote (dvc-pull), and of a repository (build-image, plan-notebooks); names of files;
data that violates its suite; what tests and builds print. log-run, report-run, collect-runs and comment-run, as a
comment and as a check, get what the others left.
"""

import json
import os
import random
import re
import shutil
import string
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from integration.build_image.images import Repository, record
from integration.comment_run.pull_request import Driver, PullRequest
from integration.dvc_pull.repositories import RAW, Checkout, git, site
from integration.index_server import IndexServer, make_wheel, serve
from integration.planted import ENCODERS, as_path, encoded, left
from integration.suite import Done, Workspace, notebook, parameters
from notebook_ci.build_image.model import LABEL_PREFIX
from notebook_ci.collect_runs.plan import FOLDER
from servers.docker import Engine, import_base
from servers.github_api import GitHubRestApi

CHANCE = random.Random(5)  # noqa: S311 - not for secrets
LETTERS = string.ascii_letters + string.digits
KNOWN = {f"TEAM_{number}_TOKEN": "".join(CHANCE.choices(f"{LETTERS * 2}-+/_&", k=24)) for number in range(100)}
FORMATS = [
    f"{begin}{''.join(CHANCE.choices(LETTERS, k=length))}"
    for begin, length in (
        ("gh" + "p_", 36),
        ("glp" + "at-", 20),
        ("sk_l" + "ive_", 24),
        ("np" + "m_", 36),
        ("AI" + "za", 35),
    )
    for _ in range(20)
]
# A value whose variable does not look like a credential: only `secret-parameters` says that it is one.
PHRASE = "correct-horse/battery&staple+9"
ENCODE = f"""{ENCODERS}
import os, sys
from IPython.display import HTML, JSON, Markdown, display
def show(value):
    texts = list(encoded(value))
    for stream in (sys.stdout, sys.stderr):
        print(*texts, sep="\\n", file=stream)
    display(HTML("".join(f"<p>{{text}}</p>" for text in texts)), Markdown("\\n\\n".join(texts)))
    display(JSON({{"a": texts}} | dict.fromkeys(texts)))
    for piece in (value[:7], value[7:], "\\n"):
        print(piece, end="", flush=True)
known = [value for name, value in sorted(os.environ.items()) if name.startswith("TEAM_")]
"""
TESTS = f"""{ENCODERS}
import os, pytest
PHRASE = os.environ["STUDY_PHRASE"]
@pytest.mark.parametrize("value", [PHRASE, os.environ["TEAM_7_TOKEN"]])
def test_tells(value):
    print(*encoded(value), sep="\\n")
    assert value == list(encoded(value))
"""
SUITE = {
    "name": "team",
    "expectations": [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "a", "value_set": ["x"]}}],
}
SHOW = "for value in known[{}::5]:\n    show(value)"
SHOW_PHRASE = """
show(phrase)
import sys
sys.stdout.write("100%\\r" + phrase[:5])
sys.stdout.write(phrase[5:] + "\\r200%\\n")
first = display({"text/plain": phrase[:9]}, raw=True, display_id="x")
display({"application/vnd.team+json": {phrase: [[phrase]]}, "text/latex": phrase}, raw=True, metadata={phrase: phrase})
display({"image/svg+xml": f"<svg><text>{phrase}</text></svg>"}, raw=True, display_id="x", update=True)
print(dict(os.environ))
"""
FAIL = "raise RuntimeError(' '.join(text for value in known[:20] for text in encoded(value)))"


# What a build shows. The image has only the files and labels of its last stage.
DOCKERFILE = """\
FROM {base} AS shows
COPY shown /
RUN cat /shown{then}
FROM scratch
COPY --from=shows /etc/debian_version /
"""
VALUES = list(KNOWN.values())


def told(done: Done) -> dict[str, str]:
    return {"log": done.log, "summary": done.summary, "outputs": repr(done.outputs)}


def set_up(workspace: Workspace, environ: Mapping[str, str]) -> list[Done]:
    """Run setup-env, with secrets in the addresses of an index, of a package, and of one that does not exist."""
    wheels = workspace.base / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "ipykernel")
    package = f"nbone @ {{}}/files/{make_wheel(wheels, 'nbone').name}\n"
    with serve(IndexServer(wheels)) as index:
        (workspace.base / "pip.conf").write_text(f"[global]\nindex-url = {index.url(login=f'team:{FORMATS[0]}')}\n")
        workspace.write("missing.txt", package.format(index.url(f"/{as_path(*VALUES[:2])}")))
        login = f"team:{VALUES[2]}"
        workspace.write("requirements.txt", "ipykernel\n" + package.format(index.url("", quote(login, safe=":"))))
        own = {"PIP_CONFIG_FILE": str(workspace.base / "pip.conf"), "UV_CACHE_DIR": str(workspace.base / "uv")}
        none = dict.fromkeys(("UV_DEFAULT_INDEX", "UV_INDEX", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"))
        steps = [
            workspace.run("setup-env", inputs, environ={**environ, **none, **own})
            for inputs in ({}, {"requirements": "missing.txt", "slug": "missing"})
        ]
        assert [done.code for done in steps] == [0, 3], [done.log for done in steps]
        assert index.logins == {f"team:{FORMATS[0]}", login}
    return steps


def pull(checkout: Checkout, environ: Mapping[str, str]) -> list[Done]:
    """Run dvc-pull, with secrets in the path of the remote and the name of a file; then again, with a file lost."""
    workspace, store = checkout.workspace, f"remotes/{as_path(*VALUES[3:5])}"
    (workspace.base / store).parent.mkdir(parents=True)
    checkout.store.rename(workspace.base / store)
    checkout.remote(f"../../{store}")
    data = workspace.folder / "data" / "raw.csv.dvc"
    data.write_text(data.read_text().replace("path: raw.csv", f"path: {FORMATS[1]}.csv"))
    steps = [workspace.run("dvc-pull", {"targets": "data/raw.csv.dvc"}, environ=environ)]
    shutil.rmtree(checkout.cache)
    checkout.object(RAW, workspace.base / store).unlink()
    steps.append(workspace.run("dvc-pull", {"slug": "lost"}, environ=environ))
    assert [done.code for done in steps] == [0, 1], [done.log for done in steps]
    return steps


def build(workspace: Workspace, engine: Engine, environ: Mapping[str, str]) -> tuple[list[Done], str]:
    """Run build-image, with secrets in the address of the repository, and in what steps print. Return the image, too.

    BuildKit puts a number and a time before each line that steps print; the classic builder does not.
    """
    repository = Repository(workspace, engine)
    address = f"https://team:{quote(VALUES[5], safe='')}@example.com/{as_path(VALUES[6])}/study.git"
    repository.git("remote", "set-url", "origin", address)
    image = f"planted-{os.getpid()}"
    steps = [
        repository.build({**environ, "DOCKER_BUILDKIT": number}, image=image, tags="1", dockerfile=name, slug=name)
        for number, name in (("1", "Dockerfile"), ("0", "fails.Dockerfile"))
    ]
    assert [done.code for done in steps] == [0, 1], [done.log for done in steps]
    assert f'{LABEL_PREFIX}source": "https://example.com/' in json.dumps(record(steps[0]))
    asked = (("image", "inspect"), ("history", "--no-trunc"))
    return steps, "\n".join(engine.run(*command, f"{image}:1") for command in asked)


def collect(workspace: Workspace, environ: Mapping[str, str], executed: Done) -> list[Done]:
    """Run plan-notebooks, which cannot fetch from an address with secrets, and collect-runs for the only shard."""
    address = f"https://team:{quote(VALUES[8], safe='')}@127.0.0.1:1/{as_path(VALUES[9])}/study.git"
    git(workspace.folder, "remote", "set-url", "origin", address)
    artifacts = workspace.runner_temp / FOLDER
    event = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "elsewhere"}
    given = {"notebooks": "*.ipynb", "shards": "1", "run-dir": str(artifacts / "plan-attempt-1")}
    planned = workspace.run("plan-notebooks", given, environ={**environ, **event})
    assert planned.code == 0, planned.log
    assert re.search(r"could not be fetched: .*\*\*\*/", planned.log), planned.log
    written, shard = Path(executed.outputs["record"]), artifacts / "shard-1-attempt-1"
    shutil.copytree(written.with_suffix(""), shard / written.stem)
    shutil.copy(written, shard)
    given = {"shards-result": "failure", "run-dir": str(workspace.runner_temp / "collected")}
    collected = workspace.run("collect-runs", given, environ=environ)
    assert (collected.code, collected.outputs["failed"]) == (1, "2"), collected.log
    return [planned, collected]


def test_200_secrets_leave_nothing(
    checkout: Checkout, kernel: Path, engine: Engine, api: GitHubRestApi, driver: Driver
) -> None:
    workspace = checkout.workspace
    halves = [[value[:8], value[8:]] for value in FORMATS]
    shown = f"for first, second in json.loads({json.dumps(json.dumps(halves))}):\n    print(first + second)\n"
    cells = [ENCODE, *(SHOW.format(number) for number in range(5)), shown]
    workspace.write("shows.ipynb", notebook(*cells))
    workspace.write("fails.ipynb", notebook(ENCODE, FAIL))
    workspace.write(
        "gets.ipynb", notebook(ENCODE, parameters("phrase = ''"), SHOW_PHRASE, "raise KeyError('x' * 1985 + phrase)")
    )
    workspace.write("tests/test_tells.py", TESTS)
    workspace.write("suite.json", json.dumps(SUITE))
    workspace.write("shown", "\n".join(text for value in VALUES[5:8] for text in encoded(value)))
    for name, then in (("Dockerfile", ""), ("fails.Dockerfile", "; false")):
        workspace.write(name, DOCKERFILE.format(base=import_base(engine), then=then))
    workspace.write("data.csv", "a\n" + "\n".join([*FORMATS[::10], *VALUES[:8], PHRASE]) + "\n")
    toml = f'[log-run]\ntracking-uri = "sqlite:///{workspace.folder}/mlflow.db"\n[test-notebook]\npython = "{kernel}"\n'
    toml += 'pytest-args = "-p no:cacheprovider"\n'
    workspace.write("notebook-ci.toml", f'{toml}[validate-data]\ndata = "data.csv"\nsuite = "suite.json"\n')
    given = {
        "secret_parameters": "phrase: STUDY_PHRASE",
        "pass_env": "TEAM_*",
        "html": "true",
        "log_outputs": "true",
        "slug": "1",
    }
    environ = {**KNOWN, "STUDY_PHRASE": PHRASE}
    steps = [*set_up(workspace, environ), *pull(checkout, {**environ, **site(workspace)})]
    sources = {path for path in workspace.folder.rglob("*") if path.is_file()}
    executed = workspace.execute(kernel, environ, **given)
    tested = workspace.run("test-notebook", {"pass-env": "TEAM_*\nSTUDY_*"}, environ=environ)
    built, image = build(workspace, engine, environ)
    reported = workspace.run("pipeline", {"stages": "validate-data\nlog-run\nreport-run"}, environ=environ)
    steps += [executed, tested, *built, reported]
    assert [done.code for done in steps] == [0, 3, 0, 1, 1, 1, 0, 1, 1], [done.log[-3000:] for done in steps]
    steps += collect(workspace, environ, executed)
    of_run = {"run-dir": str(workspace.runner_temp / "notebook-ci"), "result": "failure"}
    pull_request = PullRequest(workspace, api, driver)
    steps += [pull_request.run(1, environ=environ, as_=as_, **of_run) for as_ in ("comment", "check")]
    (comment,), check = api.by("github-actions[bot]"), json.dumps(api.checks)
    assert r"\*\*\*" in comment
    assert r"\*\*\*" in api.checks[0]["output"]["summary"]
    # What is uploaded: MLflow's files are in the workspace. Copies are searched once.
    paths = [path for root in (workspace.folder, workspace.runner_temp) for path in root.rglob("*") if path.is_file()]
    files = {path.read_bytes(): str(path) for path in paths if path not in sources}
    files |= {comment.encode(): "comment", check.encode(): "check", image.encode(): "image"}
    files |= {text.encode(): name for done in steps for name, text in told(done).items()}
    written = {path.name: path.read_bytes() for path in paths if path not in sources}
    assert {
        "install.log",
        "environment.json",
        "files.json",
        "report.html",
        "junit.xml",
        "shows.html",
        "mlflow.db",
        "log-run.json",
        "validate-data.json",
    } <= written.keys()
    assert "✓ shows.ipynb" in executed.log, "it failed where it should, and nowhere before"
    assert tested.outputs["failed"] == "2"
    assert written["validate-data.json"].count(b"***") > 10
    # In two streams, HTML and Markdown, and twice in JSON.
    assert written["shows.ipynb"].count(b"***") > 100 * 12 * 5
    assert written["fails.ipynb"].count(b"***") > 20 * 12
    planted = {text for value in environ.values() for text in encoded(value)} | {*FORMATS, PHRASE[:12]}
    assert {name: found[:3] for name, found in left(files, planted).items()} == {}
