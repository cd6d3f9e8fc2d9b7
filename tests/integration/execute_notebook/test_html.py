"""Pages of executed notebooks, in a real browser: nothing in them runs or asks for anything, and what matters shows."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest

from integration.attacks import INERT, PORT, REFRESH, TAGS, armed, attack, outputs, png
from integration.suite import Done, Workspace, in_the_tool_environment, markdown, notebook
from servers.browser import Browser, browser

SHOWING = r"""
from IPython.display import HTML, Markdown, Math, Image, SVG, display
PNG, CIRCLE = {png!r}, '<svg xmlns="http://www.w3.org/2000/svg" width="70" height="9"><circle r="9"/></svg>'
display(HTML("<table class='dataframe'><thead><tr><th>a</th></tr></thead><tr><td>1</td></tr></table>"))
display({{"image/png": PNG}}, {{"image/jpeg": PNG}}, metadata={{"image/png": {{"width": 50}}}}, raw=True)
display(SVG(CIRCLE), Markdown("## Heading\n\n| b |\n|---|\n| 2 |\n\n```sql\nSELECT 1\n```"), Math("x^2"))
WIDGET = {{"model_id": "m"}}
display({{"application/vnd.jupyter.widget-view+json": WIDGET, "text/plain": "IntSlider(value=1)"}}, raw=True)
display({{"application/vnd.plotly.v1+json": {{}}, "text/html": "<div id='p'></div><script>draw()</script>"}}, raw=True)
display({{"text/html": "<div id='p'></div><script>draw()</script>", "image/png": PNG}}, raw=True)
display(HTML("<p style='color: rgb(1, 2, 3); position: fixed'>styled</p><a href='https://example.org/'>link</a>"))
print("\x1b[32mgreen\x1b[0m <b>")
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, kernel: Path, chromium: Browser) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("pages"))
    workspace.write("attack.ipynb", attack(chromium.port))
    picture = markdown(f"# Title\n\nText, $y^2$ and ![picture](data:image/png;base64,{png(30)})")
    workspace.write("shown.ipynb", notebook(picture, SHOWING.format(png=png(60))))
    return workspace, workspace.execute(kernel, html="true")


def page(done: Done, name: str) -> str:
    return (Path(done.outputs["output-dir"]) / f"{name}.html").read_text(encoding="utf-8")


def policy(done: Done) -> str:
    [found] = re.findall("<meta http-equiv[^>]*>", page(done, "attack"))
    return str(found)


def rendered_by_nbconvert(workspace: Workspace, done: Done, *, sanitize: bool) -> str:
    """Return the page that nbconvert itself makes of the executed notebook."""
    source = str(Path(done.outputs["output-dir"]) / "attack.ipynb")
    script = "import warnings; warnings.simplefilter('ignore')\nfrom nbconvert.exporters import HTMLExporter\n"
    script += "sys.stdout.reconfigure(encoding='utf-8')\n"
    script += f"print(HTMLExporter(sanitize_html={sanitize}).from_filename({source!r})[0])"
    made = in_the_tool_environment(workspace, script)
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_what_matters_shows(pages: tuple[Workspace, Done], chromium: Browser) -> None:
    _, done = pages
    assert done.notebooks["shown.ipynb"]["status"] == "passed", done.log
    seen = chromium.load(page(done, "shown"))
    assert seen["title"] == "shown"
    assert seen["images"] == [30, 60, 60, 70, 60], "all were decoded: PNG, as JPEG, SVG, in the place of an empty table"
    assert seen["tables"] == [2, 2]
    assert seen["headings"] == ["Title", "Heading"]
    assert set(seen["keywords"]) == {"rgb(0, 128, 0)"} != set(seen["code"]), "code is highlighted"
    assert len(seen["keywords"]) == 3, "the imports of Python, and SQL"
    for text in ("$y^2$", "x^2", "IntSlider(value=1)", "green <b>", "styled", "link"):
        assert text in seen["text"]
    assert "(application/vnd.plotly.v1+json, text/html)" in seen["text"]
    assert seen["schemes"] == ["http:", "https:"]
    assert "color:rgb(1, 2, 3)" in page(done, "shown")
    assert "fixed" not in page(done, "shown").partition("<main>")[2].partition("styled</p>")[0].rpartition("<p")[2]


def test_nothing_runs_and_nothing_is_asked_for(pages: tuple[Workspace, Done], chromium: Browser) -> None:
    _, done = pages
    seen = chromium.load(page(done, "attack"))
    assert (chromium.hits, "ValueError" in seen["text"]) == (set(), True)
    assert seen["schemes"] == ["http:"], "no javascript: and no data: behind a link"
    assert seen["sources"]
    assert all(source.startswith("data:image/") for source in seen["sources"])
    assert not [name for name in seen["attributes"] if name.startswith("on") or name in {"srcset", "ping", "action"}]
    forbidden = {"script", "iframe", "object", "embed", "form", "base", "link", "svg", "math", "input", "button"}
    assert forbidden.isdisjoint(seen["elements"])


@pytest.mark.parametrize("wall", ["the cleaner", "the policy"])
def test_each_of_the_two_walls_holds_alone(pages: tuple[Workspace, Done], chromium: Browser, wall: str) -> None:
    workspace, done = pages
    if wall == "the cleaner":
        text = page(done, "attack").replace(policy(done), "")
    else:
        text = rendered_by_nbconvert(workspace, done, sanitize=False).replace("<head>", f"<head>{policy(done)}")
    chromium.load(text)
    assert chromium.hits <= ({"refresh"} if wall == "the policy" else set()), "a policy knows nothing of refreshing"


def fired(chromium: Browser, page: str, expected: set[str]) -> set[str]:
    """Return what a page asks for. On a busy machine the browser may end too early: it gets a second chance."""
    chromium.load(page)
    if not chromium.hits >= expected:
        chromium.load(page)
    return chromium.hits


def test_the_attacks_are_real(pages: tuple[Workspace, Done], chromium: Browser) -> None:
    """In pages that nobody cleaned."""
    workspace, done = pages
    assert fired(chromium, armed(REFRESH, "refresh").replace(PORT, str(chromium.port)), {"refresh"}) == {"refresh"}
    frames = (armed(attack, name).replace(PORT, str(chromium.port)) for name, attack in TAGS.items())
    all_frames = "<!DOCTYPE html>" + "".join(f'<iframe srcdoc="{escape(each)}"></iframe>' for each in frames)
    assert set(TAGS) - fired(chromium, all_frames, set(TAGS) - INERT) == INERT
    scripts = {"html-script", "markdown-script", "cell-script", "javascript", "plotly", "result", "link"}
    assert fired(chromium, rendered_by_nbconvert(workspace, done, sanitize=False), scripts) >= scripts
    left = {"mermaid", "png-width", "png-height", "jpeg-width", "jpeg-height"}
    assert fired(chromium, rendered_by_nbconvert(workspace, done, sanitize=True), left) >= left, "why it is not enough"


def test_every_type_that_the_template_knows_is_tried(workspace: Workspace) -> None:
    script = "from nbconvert.exporters import HTMLExporter\nexporter = HTMLExporter()\n"
    script += "print(exporter.environment.loader.get_source(exporter.environment, 'display_priority.j2')[0])"
    known = set(re.findall("type == '([^']+)'", in_the_tool_environment(workspace, script).stdout))
    assert len(known) > 10
    assert known - {mime for data, _ in outputs() for mime in data} == set()
