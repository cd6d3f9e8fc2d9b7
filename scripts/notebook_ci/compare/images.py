"""Compares images by what a person sees. The only adapter of Pillow.

pixelmatch, which is usual, ignores anti-aliased pixels whatever became of them: a point may move by a pixel.
"""

import base64
import functools
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence

from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageSequence

FORMATS: Mapping[str, str] = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}
MOST_PIXELS = 20_000_000  # of all frames; each takes about 20 bytes for a moment
# How much the edges of shapes may differ within the tolerance, of 255: what a move by a sixteenth of a pixel changes.
# What differs in an area of 3x3 pixels is no edge.
MOST_LEVELS = 16
_RED, _PALE = (220, 0, 0), 0.7
_BITS = 16

Image.init()  # It loads all plugins: notebooks may have written others by the time of a comparison.


class UnreadableError(Exception):
    """An image cannot be compared. The text says why."""


def differences(mime: str, old: str, new: str, *, exact: bool) -> list[str]:
    """Return a sentence per difference of two images in Base64. `exact`: edges must be equal, too."""
    found = list(_seen_differences(mime, old, new, exact=exact))
    if exact and not found and old != new and _bits(mime, old) == _bits(mime, new) == _BITS:
        found.append(f"`{mime}`, with {_BITS} bits per color, changed")
    return found


def _seen_differences(mime: str, old: str, new: str, *, exact: bool) -> Iterator[str]:
    try:
        first, second = _frames(mime, old), _frames(mime, new)
    except UnreadableError as error:
        yield f"`{mime}` cannot be compared: {error}"
        return
    if len(first) != len(second):
        yield f"`{mime}`: {len(first)} frames became {len(second)}"
    for number, (before, after) in enumerate(zip(first, second, strict=False), 1):
        which = f"`{mime}`, frame {number}" if len(first) > 1 else f"`{mime}`"
        if said := _difference(before, after, exact=exact):
            yield f"{which}: {said}"


def _bits(mime: str, image: str) -> int:
    """Return the bits per color of a PNG, of which Pillow keeps 8: the 25th byte of the file. Others have no more."""
    return base64.b64decode(image[:36])[24] if mime == "image/png" else 0


def marked(mime: str, old: str, new: str) -> bytes | None:
    """Return the old image as a pale PNG with all differences in red; None if there is no such image."""
    try:
        pairs = list(zip(_frames(mime, old), _frames(mime, new), strict=False))
    except UnreadableError:
        return None
    before, after = next((pair for pair in pairs if pair[0].tobytes() != pair[1].tobytes()), pairs[0])
    if before.size != after.size:
        return None
    white = Image.new("RGBA", before.size, "white")
    pale = ImageOps.grayscale(Image.alpha_composite(white, before.convert("RGBA")))
    picture = Image.blend(pale, Image.new("L", before.size, 255), _PALE).convert("RGB")
    picture.paste(_RED, mask=_changed(_levels(before, after)).filter(ImageFilter.MaxFilter(3)))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@functools.lru_cache(maxsize=2)  # two images are compared exactly, then within the tolerance
def _frames(mime: str, data: str) -> Sequence[Image.Image]:
    try:
        file = io.BytesIO(base64.b64decode(data))
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=[FORMATS[mime]]) as image:
            _refuse_large(image)
            return [_seen(frame) for frame in ImageSequence.Iterator(image)]
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"one of them has more than {MOST_PIXELS // 1_000_000} million pixels") from error
    except Exception as error:  # Pillow raises anything for a broken image
        raise UnreadableError("one of them is not a valid image") from error


def _refuse_large(image: Image.Image) -> None:
    if image.width * image.height * getattr(image, "n_frames", 1) > MOST_PIXELS:
        raise Image.DecompressionBombError


def _seen(frame: Image.Image) -> Image.Image:
    """Return the pixels as a person sees them: turned, with 8 bits, and those that are transparent without color."""
    turned = ImageOps.exif_transpose(frame)
    if turned.mode.startswith("I"):  # 16 bits, which `convert` would cut
        turned = turned.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return turned.convert("RGBA").convert("RGBa")


def _difference(old: Image.Image, new: Image.Image, *, exact: bool) -> str:
    if old.size != new.size:
        return "{}x{} pixels became {}x{}".format(*old.size, *new.size)
    levels = _levels(old, new)
    counts, box = levels.histogram(), levels.getbbox()
    if box is None or not (exact or any(counts[MOST_LEVELS + 1 :]) or _has_areas(levels.crop(box))):
        return ""
    left, top, right, bottom = box
    where = f"in the {right - left}x{bottom - top} at ({left}, {top})"
    return f"{sum(counts[1:])} of {sum(counts)} pixels changed, {where}"


def _levels(old: Image.Image, new: Image.Image) -> Image.Image:
    """Return, per pixel, how much its color differs: the most of red, green, blue and transparency."""
    # `getbbox` of an image with transparency would see only this.
    return functools.reduce(ImageChops.lighter, ImageChops.difference(old, new).split())


def _changed(levels: Image.Image) -> Image.Image:
    return levels.point([0] + [255] * 255)


def _has_areas(levels: Image.Image) -> bool:
    around = ImageOps.expand(_changed(levels), border=1, fill=0)  # beyond its border, the filter repeats the outermost
    return around.filter(ImageFilter.MinFilter(3)).getbbox() is not None
