"""Comparing images: what a person sees counts, and what a person cannot see is the same."""

import base64
import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from notebook_ci.compare import images
from notebook_ci.compare.outputs import compare
from notebook_ci.compare.texts import EXACT, Tolerance

NUMBERS = Tolerance(1e-6)
BLUE, ORANGE = (31, 119, 180), (255, 127, 14)
FINER = 32  # pixels are drawn as so many


def written(image: Image.Image, kind: str = "PNG", **options: Any) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


def plain(color: Any = "white", mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new(mode, size, color)


def with_pixels(*pixels: tuple[int, int], color: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    image = plain()
    for each in pixels:
        image.putpixel(each, color)
    return image


def plot(x: float = 20, color: tuple[int, int, int] = BLUE) -> Image.Image:
    """Return a point of a plot with smooth edges, as matplotlib draws it; `x` counts parts of a pixel, too."""
    large = Image.new("RGB", (40 * FINER, 30 * FINER), "white")
    around = [(x - 3) * FINER, 12 * FINER, (x + 3) * FINER, 18 * FINER]
    ImageDraw.Draw(large).ellipse(around, fill=color)
    return large.resize((40, 30), Image.Resampling.BOX)


def differences(old: str, new: str, tolerance: Tolerance = NUMBERS, mime: str = "image/png") -> list[str]:
    stored, now = ([{"output_type": "display_data", "data": {mime: each}}] for each in (old, new))
    return [each.message.removeprefix("output 1: ") for each in compare(stored, now, tolerance).differences]


def area(size: int, level: int) -> Image.Image:
    image = plain((100, 100, 100))
    image.paste((100, 100 + level, 100), (5, 5, 5 + size, 5 + size))
    return image


SAME: dict[str, tuple[Image.Image, Image.Image]] = {
    "other mode": (plain((0, 0, 255)), plain((0, 0, 255, 255), "RGBA")),
    "palette": (plain(BLUE), plain(BLUE).convert("P", palette=Image.Palette.ADAPTIVE)),
    "grey": (plain(77, "L"), plain((77, 77, 77))),
    "hidden color": (plain((255, 0, 0, 0), "RGBA"), plain((0, 0, 255, 0), "RGBA")),
    "16 bits": (plain(77 * 257, "I;16"), plain(77, "L")),
}


@pytest.mark.parametrize("name", SAME)
def test_what_looks_the_same_is_the_same(name: str) -> None:
    old, new = map(written, SAME[name])
    assert old != new
    assert differences(old, new, EXACT) == []


def test_metadata_and_compression_do_not_count() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "Matplotlib 3.11")
    assert differences(written(plot()), written(plot(), pnginfo=info, compress_level=0), EXACT) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (plot(20), plot(21), "`image/png`: 34 of 1200 pixels changed, in the 8x7 at (17, 12)"),
        (plot(20), plot(20.25), "`image/png`: "),
        (plot(), plot(color=ORANGE), "`image/png`: "),
        (plot(), plot(color=(39, 119, 180)), "`image/png`: "),
        (area(0, 0), area(3, 1), "`image/png`: 9 of 1200 pixels changed, in the 3x3 at (5, 5)"),
        (with_pixels(), with_pixels((0, 0), color=(255, 255, 238)), "`image/png`: 1 of 1200 pixels"),
        (plain(200, "L"), plain(201, "L"), "`image/png`: 1200 of 1200 pixels"),
        (plain(200 * 257, "I;16"), plain(201 * 257, "I;16"), "`image/png`: 1200 of 1200 pixels"),
        (plain((0, 0, 0, 255), "RGBA"), plain((0, 0, 0, 128), "RGBA"), "`image/png`: 1200 of 1200 pixels"),
        (plain((0, 0, 0, 0), "RGBA"), plain("white"), "`image/png`: 1200 of 1200 pixels"),
        (plain((9, 255), "LA"), plain((9, 254), "LA"), "`image/png`: 1200 of 1200 pixels"),
        (plain(), plain(size=(40, 31)), "`image/png`: 40x30 pixels became 40x31"),
    ],
)
def test_what_a_person_sees_is_a_change(old: Image.Image, new: Image.Image, said: str) -> None:
    for tolerance in (NUMBERS, Tolerance(0.9), EXACT):
        [found] = differences(written(old), written(new), tolerance)
        assert found.startswith(said)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (plot(20), plot(20 + 1 / FINER)),
        (area(0, 0), area(2, 16)),
        (with_pixels(), with_pixels(*((x, 7) for x in range(40)), color=(255, 255, 239))),
        (with_pixels(), with_pixels((0, 0), (39, 0), (39, 29), color=(254, 254, 254))),
    ],
)
def test_edges_may_differ_within_the_tolerance(old: Image.Image, new: Image.Image) -> None:
    assert differences(written(old), written(new)) == []
    assert differences(written(old), written(new), EXACT) != []


def test_every_frame_counts() -> None:
    def film(*colors: str) -> str:
        first, *more = [plain(color, size=(8, 8)).convert("P") for color in colors]
        return written(first, "GIF", save_all=True, append_images=more, duration=100)

    assert differences(film("red", "blue"), film("red", "blue", "lime"), mime="image/gif") == [
        "`image/gif`: 2 frames became 3"
    ]
    [said] = differences(film("red", "blue"), film("red", "lime"), mime="image/gif")
    assert said.startswith("`image/gif`, frame 2: 64 of 64 pixels changed")
    cleared, clear = (
        written(plain("red", "RGBA"), "GIF", save_all=True, append_images=[plain((0, 0, 0, alpha), "RGBA")], disposal=2)
        for alpha in (255, 0)
    )
    [said] = differences(cleared, clear, mime="image/gif")
    assert said.startswith("`image/gif`, frame 2: ")
    first, second = (
        written(plain("red"), "WEBP", save_all=True, append_images=[plain(color)], lossless=True)
        for color in ("blue", "lime")
    )
    assert differences(first, second, mime="image/webp") != []
    moving = written(plain("red"), save_all=True, append_images=[plain("blue")])
    other = written(plain("red"), save_all=True, append_images=[plain("lime")])
    assert differences(moving, other) != []


def test_a_turned_photo_is_a_change() -> None:
    photo, exif = plot(12), Image.Exif()
    exif[0x0112] = 3
    old, new = written(photo, "JPEG"), written(photo, "JPEG", exif=exif)
    assert differences(old, new, mime="image/jpeg") != []
    assert differences(old, written(photo, "JPEG", comment=b"x"), EXACT, mime="image/jpeg") == []
    old, new = (written(plot(x), "WEBP", lossless=True) for x in (20, 21))
    assert differences(old, new, mime="image/webp") != []


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width: int, height: int) -> str:
    """Return a small PNG with very many pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000)))).decode()


TEXT_BOMB = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))  # Pillow reads 1 MiB
VALID = written(plot())
BROKEN = "`image/png` cannot be compared: one of them is not a valid image"
HUGE = "`image/png` cannot be compared: one of them has more than 20 million pixels"


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("%%%", BROKEN),
        ("AAAA", BROKEN),
        (VALID[:200], BROKEN),
        (VALID[:100] + "AAAA" + VALID[104:], BROKEN),
        (written(plot(), "JPEG"), BROKEN),
        (written(plot(), "PPM"), BROKEN),
        (base64.b64encode(base64.b64decode(VALID)[:33] + TEXT_BOMB + base64.b64decode(VALID)[33:]).decode(), BROKEN),
        (bomb(5000, 5000), HUGE),
        (bomb(12_000, 12_000), HUGE),
        (bomb(100_000, 100_000), HUGE),
    ],
)
def test_an_image_that_cannot_be_compared_is_a_change(new: str, said: str) -> None:
    assert differences(VALID, new) == [said]
    assert differences(new, VALID) == [said]
    assert images.marked("image/png", VALID, new) is None
    assert differences(new, new) == [], "the same bytes are the same"


def test_a_picture_shows_what_differs() -> None:
    def pixels(old: Image.Image, new: Image.Image) -> Sequence[Any]:
        found = images.marked("image/png", written(old), written(new))
        assert found
        with Image.open(io.BytesIO(found)) as image:
            return [image.getpixel(at) for at in ((10, 10), (11, 11), (12, 12), (30, 20))]

    old = with_pixels((30, 20))
    red, white, pale = (220, 0, 0), (255, 255, 255), (178, 178, 178)
    assert pixels(old, with_pixels((10, 10), (30, 20))) == [red, red, white, pale]
    assert images.marked("image/png", written(old), written(plain(size=(9, 9)))) is None


# --- SVG

CLIP = '<g clip-path="url(#p{0}1234abcd)"/><defs><clipPath id="p{0}1234abcd"/>'
MARKER = '<path id="m{0}4321abcd" d="M 1.5 {1}"/></defs>'
SVG_OF = (
    "<svg><metadata><rdf:RDF><dc:date>{2}</dc:date></rdf:RDF></metadata>"
    + CLIP
    + MARKER
    + '<use xlink:href="#m{0}4321abcd"/></svg>'
)


@pytest.mark.parametrize("tolerance", [NUMBERS, EXACT])
def test_an_svg_is_compared_without_invented_names(tolerance: Tolerance) -> None:
    old, new = SVG_OF.format("aa", "2.5", "2026-01-01"), SVG_OF.format("0f", "2.5", "2027-01-01")
    assert differences(old, new, tolerance, "image/svg+xml") == []
    named = Tolerance(keep=frozenset({"svg-names"}))
    assert differences(old, new, named, "image/svg+xml") != []
    assert differences(old, SVG_OF.format("0f", "2.6", "2026-01-01"), tolerance, "image/svg+xml") != []
    near = differences(old, SVG_OF.format("0f", "2.500000001", "2026-01-01"), tolerance, "image/svg+xml")
    assert bool(near) is tolerance.is_exact


@pytest.mark.parametrize(
    ("before", "after"),
    [("#maa4321abcd", "#paa1234abcd"), ("<use ", "<use fill='red' "), ("</svg>", "<text>aa1234abcd</text></svg>")],
)
def test_what_differs_in_an_svg(before: str, after: str) -> None:
    old = SVG_OF.format("aa", "2.5", "2026")
    assert differences(old, old.replace(before, after, 1), EXACT, "image/svg+xml") != []


def test_an_svg_whose_metadata_do_not_end_takes_no_time() -> None:
    begins = "<metadata><rdf:RDF " * 20_000
    assert differences(begins, begins + "a", EXACT, "image/svg+xml") != []


def test_strictly_the_low_byte_of_16_bits_counts() -> None:
    old, new = (written(Image.new("I;16", (8, 8), value)) for value in (1000, 1001))
    assert list(images.differences("image/png", old, new, exact=True)) == [
        "`image/png`, with 16 bits per color, changed"
    ]
    assert not list(images.differences("image/png", old, old, exact=True))
    assert not list(images.differences("image/png", old, new, exact=False))
