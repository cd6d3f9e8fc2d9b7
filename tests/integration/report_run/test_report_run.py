"""The page of a run, in a real browser."""

import base64
import dataclasses
import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from integration.attacks import armed, attack, png
from integration.suite import (
    PYTHON,
    ROOT,
    Done,
    Workspace,
    code,
    in_the_tool_environment,
    markdown,
    notebook,
    only_tools,
    parameters,
    wait_until,
)
from notebook_ci.base.markdown import table
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.dvc_pull import DvcPullRecord, PulledData
from notebook_ci.records.execute_notebook import ExecuteRecord, NotebookResult
from notebook_ci.records.run_directory import StageFiles
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.validate_data import Example, RuleResult, ValidateRecord, Violation
from servers.browser import Browser, Session, browser

SHOWING = f"""
from IPython.display import HTML, display
display({{"image/png": {png(60)!r}}}, raw=True)
display(HTML("<table class='dataframe' style='position: fixed'><tr><td>{"wide " * 200}</td></tr></table>"))
display({{"application/vnd.notebook-ci.metrics+json": {{"accuracy": 0.5}}}}, raw=True)
print("\\x1b[32mgreen\\x1b[0m <b>", "x" * 5000, f"\\n{{6 * 2}}%\\r100%")
"""
SHOWN_FACTS = "threshold = 0.75 · accuracy: 0.5"
FAILING = "price = {'cost': 1}\nprice['price']"
# Of the other stages, which did not run here.
VIOLATION = Violation(
    kind="violation", severity="critical", expectation="expect_column_values_to_not_be_null", column="island",
    file="suites/penguins.json", line=12, message="2 of 344 values are missing.", note="Ask <b>Ann</b>.", observed="2",
    unexpected=2, total=344, percent=0.58, examples=[Example(row=3, value="null"), Example(row=None, value="9" * 400)],
)  # fmt: skip
CHECKED = RuleResult(
    data="data/penguins.csv", suite="suites/penguins.json", suite_name="penguins", rows=344, columns=7, evaluated=3,
    met=["expect_table_row_count_to_be_between"],
    violations=[VIOLATION, dataclasses.replace(VIOLATION, severity="warning", column="sex", unexpected=None)],
)  # fmt: skip
PULLED = PulledData(path="data/x.csv", pointer="data/x.csv.dvc", hash_name="md5", hash="a1" * 16, bytes=3000, files=1)
RECORDS = [
    SetupEnvRecord(stage="setup-env", python_version="3.12.4", lock_file="r.txt", packages={"numpy": "2.0"}),
    DvcPullRecord(stage="dvc-pull", remote_url="s3://study", files=1, bytes=3000, data=[PULLED]),
    ValidateRecord(stage="validate-data", status="failed", results=[CHECKED]),
    BuildImageRecord(
        stage="build-image", image="ghcr.io/a/b", tags=["1"], image_id="sha256:1", base_image="python:3.12"
    ),
]
# Opens all notebooks, and looks at the page.
LOOK = """(async () => {
  const all = (css) => [...document.querySelectorAll(css)]
  const shown = () => all("details[data-status]").filter((each) => !each.hidden).map((each) => each.id)
  const scroll = () => document.documentElement.scrollWidth - document.documentElement.clientWidth
  const search = document.querySelector("[type=search]"), select = document.querySelector("select")
  const type = (input, text) => {
    input.value = text
    input.dispatchEvent(new Event(input === search ? "input" : "change"))
  }
  const seen = {closed: all("section.cell").length, scroll: [scroll()]}
  type(search, "FRAME OF PRICES")
  seen.found = shown()
  type(search, "")
  type(select, "failed")
  seen.failed = shown()
  type(select, "")
  location.hash = all(".trouble h3 a")[0].getAttribute("href")
  await new Promise((resolve) => setTimeout(resolve, 200))
  seen.followed = all("details[data-status][open]").map((each) => each.id)
  for (const each of all("details")) each.open = true
  await new Promise((resolve) => setTimeout(resolve, 200))
  seen.scroll.push(scroll())
  seen.cells = all("section.cell").length
  seen.text = document.body.innerText
  seen.images = all("img").map((each) => each.naturalWidth)
  seen.here = all(".here").map((each) => each.innerText)
  seen.elements = [...new Set(all("*").map((each) => each.tagName.toLowerCase()))]
  seen.ids = all("main [id]").map((each) => each.id)
  seen.back = getComputedStyle(document.body).backgroundColor
  return seen
})()"""
AXE = """axe.run(document, {resultTypes: ["violations"]}).then(
  (found) => found.violations.map((each) => [each.impact, each.id, each.nodes[0].html]))"""

FOCUSABLE = "[...document.querySelectorAll('a[href], summary, input, select, [tabindex=\"0\"]')]"
REACHABLE = f"{FOCUSABLE}.map((each, n) => each.checkVisibility() ? n : -1).filter((each) => each >= 0)"
FOCUSED = f"""(() => {{
  const focused = document.activeElement, style = getComputedStyle(focused)
  return [{FOCUSABLE}.indexOf(focused), `${{style.outlineStyle}} ${{style.outlineWidth}}`]
}})()"""

# Of the summary: how many tables of stages it has, and the last cells of those rows that are lower without wrapping.
WRAPPED = """(() => {
  document.documentElement.style.width = "800px"
  const tables = [...document.querySelectorAll("table")].filter((each) => each.rows[0].innerText.startsWith("stage"))
  const rows = tables.flatMap((each) => [...each.rows]), before = rows.map((each) => each.offsetHeight)
  for (const each of tables) each.style.whiteSpace = "nowrap"
  const wrapped = rows.filter((each, n) => each.offsetHeight < before[n])
  return [tables.length, wrapped.map((each) => each.lastElementChild.innerText)]
})()"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def user(chromium: Browser) -> Iterator[Session]:
    with chromium.session() as started:
        yield started


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, kernel: Path, chromium: Browser) -> tuple[Workspace, Done]:
    """A run with a notebook that shows, one that fails, and one that attacks; and its page."""
    workspace = Workspace(tmp_path_factory.mktemp("run"))
    workspace.write("attack.ipynb", attack(chromium.port))
    workspace.write("fails.ipynb", notebook("1", FAILING, "2"))
    picture = markdown(f"# Frame of prices\n\n| a |\n|---|\n| b |\n\n![p](data:image/png;base64,{png(30)})")
    workspace.write("shown.ipynb", notebook(picture, parameters("threshold = 1"), SHOWING))
    executed = workspace.execute(kernel, run_dir="run", parameters="threshold: 0.75")
    assert executed.code == 1, executed.log
    for record in RECORDS:
        StageFiles(record.stage, workspace.folder / "run").write(record)
    return workspace, workspace.run("report-run", {"run-dir": "run"})


def page(done: Done) -> str:
    assert done.code == 0, done.log
    return Path(done.outputs["report"]).read_text(encoding="utf-8")


def without_policy(text: str) -> str:
    """Return a page that lets others put a script in it."""
    return re.sub(r"<meta http-equiv[^>]*>", "", text)


def axe() -> str:
    spec = find_spec("axe_playwright_python")
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def look(user: Session, url: str) -> dict[str, Any]:
    with user.window(1000):
        user.load(url)
        return dict(user.run(LOOK))


def asked_for(user: Session, chromium: Browser) -> set[str]:
    """Return what the page asks for within two more seconds."""
    user.run("new Promise((resolve) => setTimeout(resolve, 2000))")
    return chromium.hits


def unreadable(user: Session) -> list[list[str]]:
    """Return what axe-core finds in the page: how bad, which rule, and the first element."""
    user.run(axe())
    return list(user.run(AXE))


def test_a_run_is_shown_and_nothing_of_a_notebook_runs(
    run: tuple[Workspace, Done], user: Session, chromium: Browser
) -> None:
    workspace, done = run
    seen = look(user, chromium.serve(page(done)))
    broken_pictures = "Failed to load resource: net::ERR_INVALID_URL"  # those of the attack
    assert all(broken_pictures in each for each in user.noted), user.noted
    assert not asked_for(user, chromium)
    assert page(done).startswith("<!DOCTYPE html>")
    assert seen["closed"] == 0, "cells become part of the page when their notebook is opened"
    found = re.findall(r'id="(n\d+)" data-status.*?<span class="name">. ([^<]+)<', page(done))
    ids = {name: element for element, name in found}
    assert seen["found"] == [ids["shown.ipynb"]]
    assert set(seen["failed"]) == {ids["attack.ipynb"], ids["fails.ipynb"]}
    assert len(seen["followed"]) == 1
    assert "price['price']" in seen["here"]
    assert seen["cells"] > 4
    for text in ("KeyError: 'price'", "green <b>", "Frame of prices", "100%", "3 failures", SHOWN_FACTS):
        assert text in seen["text"]
    for text in (
        "expect_column_values_to_not_be_null of island", "2 of 344 values are missing.", "Ask <b>Ann</b>.",
        "Line 12 of suites/penguins.json", "2 of 344 do not meet it (0.58 %)", "row 3: null", "1 of 3 expectations met",
        "expect_table_row_count_to_be_between", "1 file, 3.0 kB from s3://study", "data/x.csv: 1 file, 3.0 kB",
        "Image ghcr.io/a/b:1", "from python:3.12", "Python 3.12.4 · r.txt, which does not fix all versions · 1 package",
    ):  # fmt: skip
        assert text in seen["text"]
    output = "execute-notebook/fails.ipynb"
    digest = hashlib.sha256((workspace.folder / "run" / output).read_bytes()).hexdigest()
    assert f"created {output}\t{digest}" in seen["text"]
    assert "12%" not in seen["text"]
    assert {30, 60} <= set(seen["images"])
    assert {"iframe", "object", "embed", "form", "base", "link", "math", "button"}.isdisjoint(seen["elements"])
    assert page(done).count("<script") == 1, "our own"
    assert len(seen["ids"]) == len(set(seen["ids"])), "no notebook can give an element an ID"


def test_without_its_policy_the_page_still_runs_nothing(
    run: tuple[Workspace, Done], user: Session, chromium: Browser
) -> None:
    look(user, chromium.serve(without_policy(page(run[1]))))
    assert not asked_for(user, chromium)


def test_without_the_cleaner_the_policy_still_stops_scripts(
    run: tuple[Workspace, Done], user: Session, chromium: Browser
) -> None:
    hostile = armed('<img src=x: onerror="HIT"><script>HIT</script>', "hostile").replace("@PORT@", str(chromium.port))
    text = page(run[1]).replace("<main>", f"<main>{hostile}")
    look(user, chromium.serve(text))
    assert not asked_for(user, chromium)
    assert any("Content Security Policy" in each for each in user.noted)
    look(user, chromium.serve(without_policy(text)))
    assert wait_until(lambda: chromium.hits == {"hostile"}), "it is what stops them"


@pytest.mark.parametrize(("scheme", "width"), [("light", 375), ("dark", 1000)])
def test_all_can_read_it(
    run: tuple[Workspace, Done], user: Session, chromium: Browser, scheme: str, width: int
) -> None:
    with user.window(width, is_dark=scheme == "dark"):
        user.load(chromium.serve(page(run[1])))
        seen = user.run(LOOK)
        assert not [each for each in unreadable(user) if each[0] in {"serious", "critical"}]
    assert seen["back"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    assert seen["scroll"] == [0, 0], "nothing is wider than the window"


def test_axe_finds_what_nobody_can_read(run: tuple[Workspace, Done], user: Session, chromium: Browser) -> None:
    wrong = page(run[1]).replace("<main>", '<main><p style="color: #bbb; background: #fff">pale</p>')
    look(user, chromium.serve(wrong))
    assert ["serious", "color-contrast"] in [each[:2] for each in unreadable(user)]


def test_the_keyboard_reaches_everything(run: tuple[Workspace, Done], user: Session, chromium: Browser) -> None:
    user.load(chromium.serve(page(run[1])))
    reachable, reached = user.run(REACHABLE), []
    assert len(reachable) > 10
    for _ in reachable:
        user.press("Tab")
        reached.append(user.run(FOCUSED))
    assert reached == [[each, "solid 2px"] for each in reachable], "in the order of the page, each with an outline"
    search = reachable.index(user.run(f"{FOCUSABLE}.indexOf(document.querySelector('[type=search]'))"))
    user.press("Tab")
    for _ in reachable[: search + 1]:
        user.press("Tab")
    user.type("price['PRICE']")
    user.press("Tab")
    user.press("Tab")
    found = user.run("document.activeElement.outerHTML")
    user.press("Enter")
    name = re.fullmatch(r'<a href="#(n\d+-c2)">fails.ipynb, cell 2</a>', found)
    assert name, "the search leads to the cell"
    assert user.run("new Promise((resolve) => setTimeout(() => resolve(document.activeElement.id), 100))") == name[1]


def test_a_focus_that_nobody_sees_is_found(run: tuple[Workspace, Done], user: Session, chromium: Browser) -> None:
    user.load(chromium.serve(page(run[1]).replace("outline: 2px solid", "outline: 0 solid")))
    user.press("Tab")
    assert user.run(FOCUSED) == [0, "solid 0px"]


def test_paper_shows_the_cells_that_failed(run: tuple[Workspace, Done], user: Session, chromium: Browser) -> None:
    """Only what is printed has a target for the links to it."""
    text = page(run[1])
    (cell,) = re.findall(r'<article.*?href="#(n\d+-c\d+)">fails', text)
    for shown, is_printed in ((text, True), (without_policy(text).replace("beforeprint", "never"), False)):
        user.load(chromium.serve(shown))
        assert (f"/{cell}".encode() in user.printed()) == is_printed


def test_the_page_is_in_the_record(run: tuple[Workspace, Done]) -> None:
    workspace, done = run
    record: dict[str, Any] = json.loads((workspace.folder / "run" / "report-run.json").read_text(encoding="utf-8"))
    assert (record["notebooks"], record["left_out"], record["bytes"]) == (3, 0, len(page(done).encode()))
    assert list(record["created"]) == ["report-run/report.html"]


def test_a_downloaded_run_is_opened_in_the_browser(run: tuple[Workspace, Done], tmp_path: Path) -> None:
    workspace, done = run
    shutil.copytree(workspace.folder / "run", tmp_path / "artifact" / "run")
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "asked for $1"\n')
    browser.chmod(0o755)
    opened = workspace.run("report", flags=[str(tmp_path / "artifact"), "--open"], environ={"BROWSER": str(browser)})
    written = tmp_path / "artifact" / "run" / "report.html"
    assert (opened.code, f"asked for {written.as_uri()}\n" in opened.log) == (0, True), opened.log
    assert written.read_text(encoding="utf-8") == page(done)


def test_without_a_browser_the_page_is_named(run: tuple[Workspace, Done], tmp_path: Path) -> None:
    shutil.copytree(run[0].folder / "run", tmp_path / "run")
    (tmp_path / "run" / "log-run").mkdir()
    environ = {"PATH": only_tools(tmp_path / "path")}
    (tmp_path / "path" / PYTHON.name).symlink_to(PYTHON)
    done = run[0].run("report", flags=[str(tmp_path / "run"), "--open"], environ=environ)
    hint = f"Open `{tmp_path}/run/report.html` yourself, or set the variable `BROWSER` to the program."
    assert (done.code, f"error: No browser was found. {hint}\n" in done.log) == (3, True), done.log
    said = "`log-run` left no record: it was killed, or it still runs"
    assert said in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_page_keeps_to_its_size_and_says_so(run: tuple[Workspace, Done]) -> None:
    workspace, _ = run
    done = workspace.run("report-run", {"run-dir": "run", "max-size": "10 kB", "baseline": "run"})
    assert re.search(r"A notebook of [\d.]+ kB is left out: `max-size`", page(done))
    assert re.search(r"does not show \d+ parts? of notebooks: more than `max-size` \(10.0 kB\)", done.log)
    assert re.search(r"<th scope=\"row\">accuracy<td>0.5<td>0.5<td>", page(done)), "beside that of the baseline"


def test_500_notebooks_are_a_page_of_bounded_size(workspace: Workspace) -> None:
    """Their plots together are larger than the page may be, and one more is larger than what is read."""
    chance = random.Random(1)  # noqa: S311 - nothing secret
    run = workspace.folder / "run"
    (run / "execute-notebook").mkdir(parents=True)
    results = []
    for number in range(500):
        plot = base64.b64encode(chance.randbytes(30_000 + 30 * number)).decode()
        table = f"<table class='dataframe'>{f'<tr><td>{number}</td><td>{chance.random()}</td></tr>' * 20}</table>"
        shown = [{"text/html": table}, {"image/png": plot}]
        outputs = [{"output_type": "display_data", "metadata": {}, "data": data} for data in shown]
        cells = [code(f"x = {cell}\nprint(x)") | {"outputs": outputs if cell == 5 else []} for cell in range(10)]
        name = f"{number}.ipynb"
        (run / "execute-notebook" / name).write_text(json.dumps(notebook(*cells)), encoding="utf-8")
        output = f"execute-notebook/{name}"
        results.append(NotebookResult(path=name, name=name, status="passed", output=output))
    (run / "execute-notebook" / "huge.ipynb").touch()
    os.truncate(run / "execute-notebook" / "huge.ipynb", 200_000_000)
    results.append(
        NotebookResult(path="h.ipynb", name="h.ipynb", status="passed", output="execute-notebook/huge.ipynb")
    )
    (run / ".notebook-ci-run").touch()
    StageFiles("execute-notebook", run).write(ExecuteRecord(stage="execute-notebook", notebooks=results))
    done = workspace.run("report-run", {"run-dir": "run"})
    assert done.record["notebooks"] == 500
    assert 0 < done.record["left_out"] < 500
    assert 15_000_000 < done.record["bytes"] <= 20_000_000
    why = "`execute-notebook/huge.ipynb` is larger than 50.0 MB."
    assert f"[{why}]" in page(done)
    assert f"The page does not show a notebook: {why}" in done.log


def test_what_would_take_for_ever_is_shown_as_text(run: tuple[Workspace, Done]) -> None:
    """Nested deeply, in HTML that would take minutes to clean, and in Markdown that is too deep to read."""
    workspace, _ = run
    deep, quotes = "<div></b>" * 50_000, ">" * 50_000
    texts = ["\r" * 100_000 + "end", "\x1b[" * 100_000, "y" * 1_000_000]
    outputs: list[dict[str, Any]] = [{"output_type": "stream", "text": text} for text in texts]
    outputs.append({"output_type": "display_data", "data": {"text/html": deep, "image/png": 3}})
    path = workspace.folder / "run" / "execute-notebook" / "shown.ipynb"
    path.write_text(json.dumps(notebook(markdown(quotes), code("x") | {"outputs": outputs})), encoding="utf-8")
    done = workspace.run("report-run", {"run-dir": "run"})
    for shown in (escape(deep), "end", texts[-1]):
        assert shown in page(done)


def test_wrong_input(workspace: Workspace) -> None:
    for flags, message in {
        ("--run-dir", "empty"): "has no records to show.",
        ("--baseline", "nowhere"): "/nowhere` is not a folder. Name the run directory of a run. Unpack",
        ("--max-size", "huge"): "`--max-size` does not accept `huge`",
    }.items():
        done = workspace.run("report-run", flags=flags)
        assert (done.code, message in done.log) == (2, True), done.log
    workspace.write("run/setup-env.json", "{}")
    done = workspace.run("report-run", flags=["--run-dir", "run"])
    assert (done.code, "setup-env.json is not a notebook-ci record" in done.log) == (2, True), done.log


def test_no_table_of_stages_in_a_summary_wraps(workspace: Workspace, user: Session, chromium: Browser) -> None:
    """Those that were approved do not at 800 px, and one that is too wide does."""
    approved = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "unit" / "summaries").glob("*.md")]
    tables = sum("\n| stage " in text for text in approved)
    assert tables >= 5
    wide = " ".join(["wide"] * 20)
    too_wide = table(["stage", "", "time", ""], [["setup-env", "", "", wide], ["dvc-pull", "", "", "short"]])
    path = workspace.write("summaries.md", "\n\n".join([*approved, too_wide]))
    show = f"from dev.picture import as_on_github\nprint(as_on_github(open({str(path)!r}).read()))"
    shown = in_the_tool_environment(workspace, show)
    assert shown.returncode == 0, shown.stderr
    user.load(chromium.serve(shown.stdout))
    assert user.run(WRAPPED) == [tables + 1, [wide]]
