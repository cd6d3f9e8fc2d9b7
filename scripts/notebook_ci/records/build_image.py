"""The record of build-image."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class BuildImageRecord(Record):
    """The record of build-image.

    Attributes:
        image: Name of the image, without a tag.
        tags: Its tags.
        image_id: Its id at the engine.
        digest: Its digest at the registry, once a tag was pushed.
        base_image: The image that it starts from; nothing where the Dockerfile is the user's own.
        base_digest: The digest of that at its registry; the id at the engine where it comes from none.
        dockerfile: The Dockerfile: the user's own, relative to the workspace, or the artifact.
        builder: `buildkit` or `classic`.
        bytes: Its size, unpacked.
        labels: Its labels.
        pushed: The tags that the registry has.
        python_version: The Python of its environment; this and the packages where the Dockerfile was generated.
        packages: Version by name of what its environment holds.
    """

    image: str = ""
    tags: list[str] = field(default_factory=list)
    image_id: str = ""
    digest: str = ""
    base_image: str = ""
    base_digest: str = ""
    dockerfile: str = ""
    builder: str = ""
    bytes: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    pushed: list[str] = field(default_factory=list)
    python_version: str = ""
    packages: dict[str, str] = field(default_factory=dict)

    @property
    def headline(self) -> dict[str, str]:
        """The values of `OUTPUTS`."""
        named = f"{self.image}:{self.tags[0]}" if self.image_id else ""
        return {"image": named, "image-id": self.image_id, "digest": self.digest}
