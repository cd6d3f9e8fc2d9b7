"""The messages between a stage and the worker that solves and installs packages of conda."""

from dataclasses import dataclass, field

from notebook_ci.base.worker import Reply


@dataclass(frozen=True, kw_only=True)
class Installation:
    packages: list[str]  # requirements to solve, as conda writes them
    constraints: list[str] = field(default_factory=list)  # for what is solved: requirements of the same form
    urls: list[str] = field(default_factory=list)  # or the packages to install, with their hashes
    records: list[str] = field(default_factory=list)  # or what solving gave
    channels: list[str]  # URLs, the strongest first
    priority: str  # of channels: a name of `rattler.ChannelPriority`
    verifies: bool  # whether the certificates of channels are checked
    credentials: dict[str, object]  # in rattler's format, by host
    variables: dict[str, str]  # that activation sets
    # A folder that is removed when the worker has ended: rattler writes into it even after it has failed.
    scratch: str = ""
    prefix: str = ""  # the folder of the environment; empty: only solve
    uses_cache: bool = True  # whether packages may come from the cache of earlier installations
    reports_activation: bool = False  # whether the reply has the variables that activation sets
    finds_misfits: bool = False  # whether the reply has the packages that do not fit together


@dataclass(kw_only=True)
class Solution(Reply):
    # The packages that solving gave, in the format of `conda-meta`.
    records: list[str] = field(default_factory=list)
    activation: dict[str, str] = field(default_factory=dict)  # variables that it sets, PATH among them
    misfits: dict[str, list[str]] = field(default_factory=dict)  # the names of two packages by what one requires
