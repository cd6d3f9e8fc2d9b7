"""A notebook that attacks the page which shows it, in each way that a notebook can."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from integration.suite import markdown, notebook

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
