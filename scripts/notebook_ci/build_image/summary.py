"""The summary of build-image."""

from notebook_ci.base.markdown import link, name, table
from notebook_ci.base.texts import listed, size
from notebook_ci.records.build_image import BuildImageRecord

MOST_TAGS = 5


def note(record: BuildImageRecord) -> str:
    if not record.image_id:
        return ""
    pushed = "pushed" if record.pushed else "not pushed"
    return f"`{record.headline['image']}`, {size(record.bytes)}, {pushed}"


def links(record: BuildImageRecord) -> list[str]:
    """Link an image that was pushed to GitHub's registry, whose addresses lead to pages."""
    is_there = record.pushed and record.image.startswith("ghcr.io/")
    return [link(f"image {name(record.headline['image'])}", f"https://{record.image}")] if is_there else []


def section(record: BuildImageRecord) -> list[str]:
    if not record.image_id:
        return []
    dockerfile = f" from {name(record.dockerfile)}" if not record.base_image else ""
    rows = [
        ["name", name(record.headline["image"])],
        *([["more tags", _tags(record.tags[1:])]] if record.tags[1:] else []),
        ["id", f"`{record.image_id}`"],
        *([["digest", f"`{record.digest}`"]] if record.digest else []),
        ["pushed", _tags(record.pushed) if record.pushed else "no"],
        *([["base", f"{name(record.base_image)} `{record.base_digest}`"]] if record.base_image else []),
        ["size", f"{size(record.bytes)}, built with {record.builder}{dockerfile}"],
    ]
    return [table(["image", ""], rows)]


def _tags(tags: list[str]) -> str:
    return listed([name(tag) for tag in tags], MOST_TAGS)
