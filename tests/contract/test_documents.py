"""What READMEs show must be true: settings load, links within a page lead somewhere, tables and pictures stay small."""

import io
import re
import tomllib
from pathlib import Path

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import CONFIG
from notebook_ci.base.load_inputs import load
from notebook_ci.base.workspace import Workspace
from notebook_ci.stages import ALL_STAGES, load_stage
from pipeline import PIPELINE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [path for pattern in ("*.md", "docs/*.md", "*/*/README.md") for path in sorted(ROOT.glob(pattern))]
COMMANDS = {PIPELINE.name: PIPELINE} | {name: load_stage(name) for name in ALL_STAGES}


def settings() -> list[tuple[str, str]]:
    """Return the blocks of `notebook-ci.toml` in all documents, with the names of the documents."""
    return [
        (path.relative_to(ROOT).as_posix(), re.sub(r"^ +", "", block, flags=re.MULTILINE))
        for path in DOCUMENTS
        for block in re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    ]


def load_all(text: str, folder: Path) -> None:
    (folder / CONFIG).write_text(text, encoding="utf-8")
    for name in tomllib.loads(text):
        load(COMMANDS[name].inputs, name, [], io.StringIO(), Workspace(folder, {}))


@pytest.mark.parametrize(("document", "text"), settings())
def test_settings_in_a_document_load(document: str, text: str, tmp_path: Path) -> None:
    assert document
    load_all(text, tmp_path)


def test_wrong_settings_are_found(tmp_path: Path) -> None:
    assert len(settings()) >= 5
    with pytest.raises(InputError, match="notebook"):
        load_all('[execute-notebook]\nnotebook = ["a.ipynb"]\n', tmp_path)


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(text: str, folder: Path) -> list[str]:
    """Return the links to headings that do not exist."""
    links = re.findall(r"\]\((?!https?:)([^)\s#]*)#([^)\s]+)\)", text)
    targets = {file: (folder / file).read_text(encoding="utf-8") if file else text for file, _ in links}
    return [f"{file}#{anchor}" for file, anchor in links if anchor not in anchors(targets[file])]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_to_headings_lead_somewhere(path: Path) -> None:
    assert not broken(path.read_text(encoding="utf-8"), path.parent)


def test_a_link_to_no_heading_is_found() -> None:
    assert broken("# A (b)\n[x](#a-b) [y](#a-c)", ROOT) == ["#a-c"]


def test_the_readme_answers_questions_and_begins_with_the_workflow() -> None:
    assert len(re.findall(r"^\*\*\.\.\. .+\?\*\*", README, re.MULTILINE)) >= 10
    workflow, contents, demo = (README.index(text) for text in ("uses: notebook-ci/", "## Contents", "## Try the demo"))
    assert workflow < contents < demo


def test_pictures_are_small() -> None:
    (picture,) = re.findall(r"!\[[^]]+\]\((docs/[^)]+)\)", README)
    assert 0 < (ROOT / picture).stat().st_size < 150_000


def test_the_first_table_of_execute_notebook_is_short() -> None:
    readme = (ROOT / "actions" / "execute-notebook" / "README.md").read_text(encoding="utf-8")
    first, tuning = (readme.partition(f"<!-- {name} -->")[2].partition("<!-- /")[0] for name in ("inputs", "tuning"))
    assert 0 < len(re.findall(r"^\| `", first, re.MULTILINE)) <= 12
    names = re.findall(r"^\| `([a-z-]+)`", tuning, re.MULTILINE)
    assert {"kernel-start", "preload", "preload-max-memory", "workers", "execution-order"} <= set(names)
