"""The record of build-image."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class BuildImageRecord(Record):
    image: str = ""  # name of the image, without a tag
    tags: list[str] = field(default_factory=list)
    image_id: str = ""  # ID at the engine
    digest: str = ""  # digest in the registry; empty if no tag was pushed
    base_image: str = ""  # empty with your own Dockerfile
    base_digest: str = ""  # digest of the base image in its registry; its ID at the engine if it is from no registry
    dockerfile: str = ""  # your own Dockerfile, relative to the workspace, or the generated one, in the run directory
    builder: str = ""  # `buildkit` or `classic`
    bytes: int = 0  # unpacked size
    labels: dict[str, str] = field(default_factory=dict)
    pushed: list[str] = field(default_factory=list)  # tags that the registry has
    python_version: str = ""  # Python of the environment; it and `packages` only with a generated Dockerfile
    packages: dict[str, str] = field(default_factory=dict)  # version by name
    conda_packages: dict[str, str] = field(default_factory=dict)  # version and build by name of those of conda

    @property
    def headline(self) -> dict[str, str]:
        named = ":".join([self.image, *self.tags[:1]]) if self.image_id else ""
        return {"image": named, "image-id": self.image_id, "digest": self.digest}
