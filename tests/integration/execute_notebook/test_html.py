"""Pages of executed notebooks, in a real browser: nothing in them runs or asks for anything, and what matters shows."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Done, Workspace, in_the_tool_environment, markdown, notebook
from servers.browser import Browser, browser

PORT = "@PORT@"  # in the place of which each attack has that of the server
TAGS = {
    # name: HTML that runs a script or asks for something, when it is shown as it is
    "script": "<script>HIT</script>",
    "onerror": '<img src=x: onerror="HIT">',
    "svg-onload": '<svg onload="HIT"></svg>',
    "svg-script": "<svg><script>HIT</script></svg>",
    "ontoggle": '<details open ontoggle="HIT">x</details>',
    "onfocus": '<input autofocus onfocus="HIT">',
    "srcdoc": '<iframe srcdoc="<script>HIT</script>"></iframe>',
    "data-html": '<iframe src="data:text/html,<img src=URL>"></iframe>',
    "javascript-frame": '<iframe src="javascript:HIT"></iframe>',
    "javascript-tab": '<iframe src="java&#9;script:HIT"></iframe>',
    "frame": '<iframe src="URL"></iframe>',
    "object": '<object data="URL"></object>',
    "embed": '<embed src="URL">',
    "image": '<img src="URL">',
    "image-scheme": '<img src="URL_WITHOUT_SCHEME">',
    "srcset": '<img srcset="URL 1x">',
    "picture": '<picture><source srcset="URL"><img></picture>',
    "video": '<video poster="URL"></video>',
    "audio": '<audio autoplay src="URL"></audio>',
    "svg-image": '<svg><image href="URL"/></svg>',
    "input-image": '<input type=image src="URL">',
    "link": '<link rel=stylesheet href="URL">',
    "preload": '<link rel=preload as=image href="URL">',
    "import": "<style>@import 'URL';</style>",
    "css-url": "<style>body {background-image: url(URL)}</style>",
    "style": '<p style="background-image: url(URL)">x</p>',
    "style-escape": '<p style="background: u\\72l(URL)">x</p>',
    "style-cursor": '<ul style="list-style: url(URL); content: url(URL); border-image: url(URL) 1"><li>x</li></ul>',
    "table": '<table background="URL"><tr><td>x</td></tr></table>',
    "form": '<form action="URL" id="f"></form><img src="x:" onerror="document.getElementById(\'f\').submit()">',
    "unquoted": "<img/src=x: onerror=HIT>",
    "unclosed": "<svg/onload=HIT ",
    "mutation": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x: onerror=HIT&gt;">',
    "mutation-noscript": '<noscript><p title="</noscript><img src=x: onerror=HIT>"></noscript>',
    "mutation-comment": "<!--><img src=x: onerror=HIT>-->",
    "mutation-template": '<svg></p><style><a id="</style><img src=x: onerror=HIT>">',
}
INERT = {"mutation", "unclosed"}  # alone: they are for cleaners, and for what follows them
DEAD = (
    '<a href="javascript:HIT">a</a><a href=" java\tscript:HIT">b</a><a href="data:text/html,x">c</a><a ping="URL">d</a>'
)
REFRESH = '<meta http-equiv=refresh content="1; URL">'
DEAD += '<base href="URL"><button formaction="javascript:HIT">e</button><a href="da\nta:text/html,x">f</a>'
ANSI = "\x1b[31m<script>HIT</script>\x1b[0m<img src=x: onerror=HIT>\x1b]8;;javascript:HIT\x07l\x1b]8;;\x07"


def armed(attack: str, name: str) -> str:
    """Return an attack that asks the server for its own name."""
    url = f"http://127.0.0.1:{PORT}/hit/{name}"
    said = attack.replace("URL_WITHOUT_SCHEME", url.removeprefix("http:")).replace("URL", url)
    return said.replace("HIT", f"fetch(`{url}`)")


def png(width: int) -> str:
    """Return an image, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\xff\0\0" * width) * 9)
    head = struct.pack(">IIBBBBB", width, 9, 8, 2, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(made).decode()


def outputs() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield outputs as data and metadata: an attack by each MIME type that the template knows, and by others."""
    yield {"text/vnd.mermaid": armed(TAGS["script"], "mermaid")}, {}
    for kind, size in (("png", "width"), ("png", "height"), ("jpeg", "width"), ("jpeg", "height")):
        name, mime = f"{kind}-{size}", f"image/{kind}"
        yield {mime: "AAAA"}, {mime: {size: armed("1 onerror=HIT", name)}}
        yield {mime: armed('AAAA" onerror="HIT', f"{name}-data")}, {"filenames": {mime: armed("URL", f"{name}-file")}}
        yield {mime: "AAAA"}, {mime: {size: armed("1><script>HIT</script>", f"{name}-tag"), "unconfined": True}}
    svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="HIT"><script>HIT</script><image href="URL"/></svg>'
    yield {"image/svg+xml": armed(svg, "svg")}, {}
    yield {"application/javascript": armed("HIT", "javascript")}, {}
    yield {"application/pdf": armed(TAGS["script"], "pdf"), "text/plain": armed(TAGS["script"], "plain")}, {}
    yield {"text/latex": armed("$x$" + TAGS["script"], "latex")}, {}
    state = {"model_id": "m", "x": armed(f"</script>{TAGS['script']}", "widget")}
    yield {"application/vnd.jupyter.widget-view+json": state, "text/plain": "the widget"}, {}
    yield {"application/vnd.plotly.v1+json": {}, "text/html": armed("<div></div>" + TAGS["script"], "plotly")}, {}
    yield {"application/x-other": armed(TAGS["script"], "other")}, {}
    for name, attack in TAGS.items():
        yield {"text/html": armed(attack, f"html-{name}")}, {}
        yield {"text/markdown": armed(attack, f"markdown-{name}")}, {}
    yield {"text/html": armed(DEAD, "dead"), "image/png": "AAAA"}, {}
    yield {"text/html": armed(f"{REFRESH}x", "refresh")}, {}


def attack(port: int) -> dict[str, Any]:
    """Return a notebook that attacks by all that a page shows of it."""
    show = f"for data, metadata in json.loads({json.dumps(list(outputs()))!r}):\n"
    show += "    display(data, metadata=metadata, raw=True)\n"
    said = f"print({armed(ANSI, 'stdout')!r})\nprint({armed(ANSI, 'stderr')!r}, file=sys.stderr)\n"
    made = notebook(
        markdown(armed("![x](attachment:a) ![y](attachment:b)", "")),
        "import json, sys\nfrom IPython.display import HTML\n"
        + said
        + show
        + f"HTML({armed(TAGS['script'], 'result')!r})",
        *(markdown(armed(attack, f"cell-{name}")) for name, attack in TAGS.items()),
        markdown(armed('[a](javascript:HIT) ![b](URL) <URL>\n\n```x"><script>HIT</script>\ny\n```', "link")),
        markdown(armed(DEAD, "dead-cell")),
        f"raise ValueError({armed(TAGS['script'] + ANSI, 'error')!r})",
    )
    html = base64.b64encode(armed(TAGS["script"], "attached").encode()).decode()
    made["cells"][0]["attachments"] = {
        "a": {"text/html": html},
        "b": {armed('x" onerror="HIT', "attached-type"): "AAAA"},
    }
    tag = armed('x"><script>HIT</script>', "tag")
    made["cells"][1]["metadata"] = {"tags": [tag], "magics_language": tag}
    made["cells"].append(
        {
            "cell_type": "raw",
            "id": "raw",
            "source": armed(TAGS["script"], "raw"),
            "metadata": {"raw_mimetype": "text/html"},
        }
    )
    made["metadata"] |= {
        "title": armed(f"</title>{TAGS['script']}", "title"),
        "language_info": {"name": tag, "pygments_lexer": tag},
        "widgets": {
            "application/vnd.jupyter.widget-state+json": {
                "state": {"m": {"x": armed(f"</script>{TAGS['script']}", "state")}}
            }
        },
    }
    made["metadata"]["kernelspec"]["display_name"] = tag
    return dict(json.loads(json.dumps(made).replace(PORT, str(port))))


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
