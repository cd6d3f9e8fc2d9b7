"""The message to the worker that installs packages of conda; its reply has only failures."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Installation:
    packages: list[str]  # requirements to solve, as conda writes them
    urls: list[str] = field(default_factory=list)  # or the packages to install, with their hashes
    channels: list[str]  # URLs, the strongest first
    priority: str  # of channels: a name of `rattler.ChannelPriority`
    verifies: bool  # whether the certificates of channels are checked
    credentials: dict[str, object]  # in rattler's format, by host
    variables: dict[str, str]  # that activation sets
    prefix: str = ""  # the folder of the environment
    uses_cache: bool = True  # whether packages may come from the cache of earlier installations
