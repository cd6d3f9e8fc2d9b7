"""The page of changed cells: it shows old and new outputs, and nothing that a notebook displays is active in it."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from notebook_ci.compare.notebooks import ChangedCell, Differences
from notebook_ci.execute_notebook import changes_page
from notebook_ci.notebooks.document import Cell
from notebook_ci.records.execute_notebook import Failure
from unit.test_compare_images import plot, written

ATTACK = "</pre></style><script>alert(1)</script><img src=x onerror=alert(1)>\" ' & <!--"
TAGS = "html head meta title style body main h2 h3 p pre del ins div figure figcaption img"


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def sources(self) -> list[str]:
        return [str(given["src"]) for tag, given in self.tags if tag == "img"]


def display(**data: Any) -> list[dict[str, Any]]:
    return [{"output_type": "display_data", "data": {name.replace("_", "/"): each for name, each in data.items()}}]


def out(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": text}]


def page(folder: Path, *cells: tuple[list[Any], list[Any]], source: str = "f()", title: str = "changed") -> str:
    changed = [
        ChangedCell(
            Cell(0, "code", source, frozenset()), Failure(kind="changed-output", title=title, message="m"), *each
        )
        for each in cells
    ]
    path = folder / "a.changes.html"
    changes_page.render(Differences(changed=changed), path)
    return path.read_text(encoding="utf-8")


def test_texts_are_shown_with_what_differs(tmp_path: Path) -> None:
    found = page(tmp_path, (out("a\n1.5\nz"), out("a\n2.5\nz")), (display(text_plain="x"), []))
    assert " a\n<del>-1.5</del>\n<ins>+2.5</ins>\n z" in found
    assert "<del>-x</del>" in found
    assert "<h2>changed</h2>" in found


def test_pictures_are_shown_side_by_side_with_what_differs(tmp_path: Path) -> None:
    old, new = written(plot(10)), written(plot(20))
    sources = Reader(page(tmp_path, (display(image_png=old), display(image_png=new)))).sources
    assert sources[:2] == [f"data:image/png;base64,{each}" for each in (old, new)]
    assert len(sources) == 3
    other = written(Image.new("RGB", (3, 3)))
    assert len(Reader(page(tmp_path, (display(image_png=old), display(image_png=other)))).sources) == 2
    assert len(Reader(page(tmp_path, (display(image_png=old), []))).sources) == 1
    assert len(Reader(page(tmp_path, (display(image_png="%%"), display(image_png=old)))).sources) == 2


@pytest.mark.parametrize(
    "data",
    [
        {"text_plain": ATTACK},
        {"text_html": ATTACK},
        {"image_png": f'AAAA" onload="x{ATTACK}'},
        {"image_svg+xml": f"<svg onload='x'>{ATTACK}"},
        {"application_json": {ATTACK: [ATTACK]}},
        {ATTACK.replace("/", ""): ATTACK},
    ],
)
def test_nothing_in_the_page_is_active(tmp_path: Path, data: dict[str, Any]) -> None:
    found = page(tmp_path, (display(**data), []), ([], display(**data)), source=ATTACK, title=ATTACK)
    reader = Reader(found)
    assert {tag for tag, _ in reader.tags} <= set(TAGS.split())
    assert {name for tag, given in reader.tags if tag not in {"html", "meta", "body"} for name in given} <= {
        "alt",
        "src",
    }
    for source in reader.sources:
        kind, _, content = source.partition(";base64,")
        assert kind in {"data:image/png", "data:image/svg+xml"}
        assert re.fullmatch(r"[A-Za-z0-9+/=]*", content)
        base64.b64decode(content, validate=True)
    assert "default-src 'none'" in found
    assert ATTACK in "".join(reader.texts)


def test_a_page_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = page(tmp_path, (out("a\n" * 100_000), out("b" * 5_000_000)))
    assert len(long) < 300_000
    monkeypatch.setattr(changes_page, "MOST_CHARACTERS", 5_000)
    found = page(tmp_path, *[(out(f"{number} " * 150), out("b")) for number in range(50)])
    assert len(found) < 9_000
    assert re.search(r"<p>\d+ more cells: see the executed notebook\.</p>", found)
