"""The message to the worker that installs packages of conda; its reply has only failures."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Installation:
    prefix: str  # the folder of the environment
    packages: list[str]  # requirements to solve, as conda writes them
    explicit: str  # or a list of URLs (`@EXPLICIT`), of which all are installed
    channels: list[str]  # URLs, the strongest first
    priority: str  # of channels: `strict`, `flexible` or `disabled`
    verifies: bool  # whether the certificates of channels are checked
    credentials: str  # JSON in rattler's format, by host; may be empty
    variables: dict[str, str]  # that activation sets
    uses_cache: bool  # whether packages may come from the cache of earlier installations
