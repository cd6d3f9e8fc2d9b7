"""Workflows and actions under actionlint, check-jsonschema and zizmor, and what these do not see."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
REUSABLE = sorted(ROOT.glob(".github/workflows/notebook-*.yml"))
TEMPLATES = sorted(ROOT.glob("workflows-templates/*.yml"))
WORKFLOWS = sorted(
    [*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml"), *TEMPLATES]
)
ACTIONS = [ROOT / "action.yml", *sorted(ROOT.glob("actions/*/action.yml"))]
DOCUMENTS = [path for pattern in ("*.md", "docs/*.md", "*/*/README.md") for path in sorted(ROOT.glob(pattern))]
OWN = "notebook-ci/notebook-ci"
SECONDS = 600


def load(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def program(name: str) -> str:
    """Return a program of the environment that the tests run in."""
    return str(Path(sys.executable).with_name(name))


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, timeout=SECONDS
    )


@pytest.fixture(scope="session")
def actionlint() -> str:
    """The program, built if it is not there."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "dev" / "tools.py"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """A repository with our actions and workflows, in which references to ourselves are local: so they are checked."""
    run("git", "init", "--quiet", tmp_path)
    shutil.copytree(ROOT / "actions", tmp_path / "actions")
    shutil.copy(ROOT / "action.yml", tmp_path)
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for number, path in enumerate([*WORKFLOWS, *ACTIONS]):
        text = path.read_text(encoding="utf-8")
        # Callers name reusable workflows by their file.
        name = path.name if path in REUSABLE else f"{number}-{path.parent.name}-{path.stem}.yml"
        (folder / name).write_text(localized(as_workflow(path) if path in ACTIONS else text), encoding="utf-8")
    return tmp_path


def localized(text: str) -> str:
    """Return a workflow in which `uses:` of ourselves is `./path`: actionlint then knows inputs and outputs."""
    return re.sub(rf"uses: {OWN}/?(\S*)@\S+", r"uses: ./\1", text)


def as_workflow(path: Path) -> str:
    """Return the steps of a composite action as a workflow: actionlint does not look into actions.

    Its inputs are those of a called workflow, so that `inputs.x` is checked too.
    """
    action = load(path)
    lines = ["on:", "  workflow_call:", "    inputs:"]
    for name in action["inputs"]:
        lines += [f"      {name}:", "        type: string"]
    body = path.read_text(encoding="utf-8").split("  steps:\n", 1)[1].split("\nbranding:", 1)[0]
    return (
        "\n".join([*lines, "jobs:", "  steps:", "    runs-on: ubuntu-latest", "    steps:"])
        + "\n"
        + re.sub(r"^", "  ", body, flags=re.MULTILINE)
    )


def test_actionlint_finds_nothing(actionlint: str, checked: Path) -> None:
    done = run(actionlint, "-shellcheck=", "-pyflakes=", cwd=checked)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("steps.notebooks.outputs.run-dri", "steps.notebooks.outputs.run-dir", "run-dri"),
        ("notebook: notebooks/*.ipynb", "notebooks: notebooks/*.ipynb", "notebook"),
        ("steps.kye.outputs.key", "steps.key.outputs.key", "kye"),
    ],
    ids=["an output that is not", "an input that is not", "a step that is not"],
)
def test_actionlint_finds_what_is_wrong(actionlint: str, checked: Path, wrong: str, right: str, said: str) -> None:
    folder = checked / ".github" / "workflows"
    text = localized(readme_workflow())
    (folder / "readme.yml").write_text(text, encoding="utf-8")
    changed = [path for path in folder.iterdir() if right in path.read_text(encoding="utf-8")]
    assert changed
    for path in changed:
        path.write_text(path.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    done = run(actionlint, "-shellcheck=", "-pyflakes=", cwd=checked)
    assert done.returncode == 1
    assert said in done.stdout


def readme_workflow() -> str:
    """Return the workflow to copy from the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```yaml\n(name: .*?)```", text, re.DOTALL)
    return str(found)


def test_the_workflow_of_the_readme_is_right(actionlint: str, checked: Path) -> None:
    (checked / ".github" / "workflows" / "readme.yml").write_text(localized(readme_workflow()), encoding="utf-8")
    done = run(actionlint, "-shellcheck=", "-pyflakes=", cwd=checked)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("schema", "paths"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.github-actions", ACTIONS)],
    ids=["workflows", "actions"],
)
def test_files_follow_the_schema(schema: str, paths: list[Path]) -> None:
    assert paths
    done = run(program("check-jsonschema"), "--builtin-schema", schema, *paths)
    assert done.returncode == 0, done.stdout


def test_the_schema_refuses_a_wrong_action(tmp_path: Path) -> None:
    wrong = tmp_path / "action.yml"
    wrong.write_text(
        ACTIONS[0].read_text(encoding="utf-8").replace("using: composite", "using: compost"), encoding="utf-8"
    )
    assert run(program("check-jsonschema"), "--builtin-schema", "vendor.github-actions", wrong).returncode == 1


def zizmor(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(program("zizmor"), "--offline", "--strict-collection", "--pedantic", "--no-progress", *arguments)


def test_zizmor_finds_nothing() -> None:
    done = zizmor("--config", ROOT / "zizmor.yml", *WORKFLOWS, *ACTIONS)
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_an_action_that_is_not_pinned_by_commit(tmp_path: Path) -> None:
    text = re.sub(r"(actions/checkout)@[0-9a-f]{40} # \S+", r"\1@v7", readme_workflow())
    assert ("unpinned-uses", "actions/checkout@v7") in found_in_copy(text, tmp_path)


def to_copy() -> dict[str, str]:
    """Return the workflows that users copy."""
    paths = [path for path in WORKFLOWS if not path.is_relative_to(ROOT / ".github")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths} | {
        "README.md": readme_workflow()
    }


def found_in_copy(text: str, repository: Path) -> set[tuple[str, str]]:
    """Return what zizmor finds in a user's repository, which has no settings of zizmor: rule, and where."""
    path = repository / ".github" / "workflows" / "notebooks.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    done = zizmor("--no-config", "--no-exit-codes", "--format", "json", path)
    assert done.returncode == 0, done.stderr
    return {
        (finding["ident"], location["concrete"]["feature"])
        for finding in json.loads(done.stdout)
        for location in finding["locations"]
        if location["symbolic"]["kind"] == "Primary"
    }


def with_steps_of_readmes() -> str:
    """Return the workflow of the README, with the steps to copy from the actions' READMEs instead of its own."""
    readmes = [path.with_name("README.md").read_text(encoding="utf-8") for path in ACTIONS[1:]]
    steps = [step for text in readmes for step in re.findall(r"^```yaml\n(- .*?)```", text, re.DOTALL | re.MULTILINE)]
    assert len(steps) >= len(readmes)
    return readme_workflow().partition("    steps:\n")[0] + "    steps:\n" + textwrap.indent("".join(steps), " " * 6)


def unknown_inputs(document: str) -> list[str]:
    """Return what the YAML of a document gives to our actions and reusable workflows that they do not take."""
    found = []
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", document, re.DOTALL | re.MULTILINE):
        for use in ours(YAML(typ="safe", pure=True).load(textwrap.dedent(block))):
            path = ROOT / use["uses"].partition("@")[0].removeprefix(OWN).strip("/")
            declared = load(path) if path.suffix else load(path / "action.yml")
            takes = declared["on"]["workflow_call"]["inputs"] if path.suffix else declared["inputs"]
            found += [f"{path.name}: {name}" for name in use.get("with", {}) if name not in takes]
    return found


def ours(content: object) -> Iterator[dict[str, Any]]:
    """Yield the steps and jobs that use something of ours."""
    match content:
        case dict():
            if str(content.get("uses")).startswith(OWN):
                yield content
            yield from (use for value in content.values() for use in ours(value))
        case list():
            yield from (use for value in content for use in ours(value))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_give_only_inputs_that_exist(path: Path) -> None:
    assert not unknown_inputs(path.read_text(encoding="utf-8"))


def test_an_input_that_does_not_exist_is_found() -> None:
    job = f"```yaml\njobs:\n  a:\n    uses: {OWN}/.github/workflows/notebook-ci.yml@v1\n    with: {{shard: 1}}\n```"
    step = f"  ```yaml\n  - uses: {OWN}/actions/report-run@v1\n    with: {{base: x, slug: y}}\n  ```"
    assert unknown_inputs(f"{job}\n{step}") == ["notebook-ci.yml: shard", "report-run: base"]


@pytest.mark.parametrize(
    "text", [*to_copy().values(), with_steps_of_readmes()], ids=[*to_copy(), "steps of the actions' READMEs"]
)
def test_zizmor_finds_nothing_in_a_copy_but_our_own_tag(text: str, tmp_path: Path) -> None:
    found = found_in_copy(text, tmp_path)
    assert {rule for rule, _ in found} == {"unpinned-uses"}
    assert all(where.startswith((f"{OWN}/", f"{OWN}@")) for _, where in found)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (r"    name: [^\n]*\n(?=    (?:if|runs-on))", "anonymous-definition"),
        (r"concurrency:(.|\n)*(?=jobs:)", "concurrency-limits"),
    ],
    ids=["name of a job", "concurrency"],
)
# Of a job that calls a workflow, zizmor asks for neither.
@pytest.mark.parametrize("source", [name for name, text in to_copy().items() if "    runs-on:" in text])
def test_zizmor_finds_what_a_copy_lacks(source: str, line: str, rule: str, tmp_path: Path) -> None:
    text, changes = re.subn(line, "", to_copy()[source])
    assert changes
    assert rule in {each for each, _ in found_in_copy(text, tmp_path)}


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_actions_of_others_are_pinned_with_their_version(path: Path) -> None:
    for line in uses(path.read_text(encoding="utf-8")):
        assert is_pinned(line), line


def test_a_pin_without_its_version_is_found() -> None:
    assert not is_pinned("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1")
    assert not is_pinned("actions/checkout@v7")


def uses(text: str) -> list[str]:
    return re.findall(r"^\s*(?:- )?uses: (.*)$", text, re.MULTILINE)


def is_pinned(line: str) -> bool:
    pin = r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    return line.startswith((f"{OWN}/", f"{OWN}@")) or bool(re.fullmatch(pin, line))


def missing_from_gate(workflow: dict[str, Any]) -> set[str]:
    jobs = set(workflow["jobs"]) - {"gate"}
    return jobs - set(workflow["jobs"]["gate"]["needs"])


def test_the_gate_waits_for_every_job() -> None:
    workflow = load(ROOT / ".github" / "workflows" / "ci.yml")
    assert not missing_from_gate(workflow)
    assert workflow["jobs"]["gate"]["if"] == "always()"


def test_a_job_that_is_missing_from_the_gate_is_found() -> None:
    workflow = load(ROOT / ".github" / "workflows" / "ci.yml")
    workflow["jobs"]["forgotten"] = {}
    assert missing_from_gate(workflow) == {"forgotten"}


@pytest.mark.parametrize(
    ("results", "code"),
    [("success success success", 0), ("success failure success", 1), ("success skipped", 1), ("cancelled", 1)],
)
def test_the_gate_fails_when_a_job_has(results: str, code: int) -> None:
    (step,) = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["gate"]["steps"]
    done = subprocess.run(["bash", "-e", "-c", step["run"]], env={"RESULTS": results}, check=False)
    assert done.returncode == code


def missing_of_template(path: Path) -> list[str]:
    """Return what a starter workflow lacks.

    Source: "Creating starter workflows for your organization" in GitHub's documentation.
    """
    properties_file = path.with_suffix(".properties.json")
    if not properties_file.exists():
        return [properties_file.name]
    properties = json.loads(properties_file.read_text(encoding="utf-8"))
    icon = path.with_name(f"{properties.get('iconName')}.svg")
    lacking = [name for name in ("name", "description", "categories", "filePatterns") if not properties.get(name)]
    return lacking if icon.exists() else [*lacking, icon.name]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_what_github_asks_for(path: Path) -> None:
    assert not missing_of_template(path)
    properties = json.loads(path.with_suffix(".properties.json").read_text(encoding="utf-8"))
    assert all(re.compile(pattern) for pattern in properties["filePatterns"])


def test_what_a_template_lacks_is_found(tmp_path: Path) -> None:
    template = tmp_path / "x.yml"
    assert missing_of_template(template) == ["x.properties.json"]
    (tmp_path / "x.properties.json").write_text('{"name": "X", "iconName": "x"}', encoding="utf-8")
    assert missing_of_template(template) == ["description", "categories", "filePatterns", "x.svg"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_what_a_team_edits_and_no_more(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "EDIT" in text
    assert len(text.splitlines()) < 90
