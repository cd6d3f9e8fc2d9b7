"""How much of the machine this process may use, according to its affinity and control groups.

Sources: cpuset, cpu and memory controllers in "Control Group v2" and "CGROUP v1" of the Linux kernel's documentation.
Containers and runners set these limits; `os.cpu_count` counts the whole machine.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
# Memory is short if less than this part of it is left, and less than this number of bytes.
SHORT_PART = 0.1
SHORT_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Memory:
    """Memory in bytes."""

    total: int
    available: int  # without swapping

    @property
    def is_short(self) -> bool:
        """Whether so little is left that no other notebook should start."""
        return self.available < min(SHORT_PART * self.total, SHORT_BYTES)


def cpus(root: Path = ROOT) -> int:
    """Return the number of CPUs that this process may keep busy, at least 1. `root` contains `proc` and `sys`."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [_quota(folder) for folder in _groups(root, "cpu")]
    return max(1, min([count, *(math.ceil(quota) for quota in quotas if quota is not None)]))


def memory(root: Path = ROOT) -> Memory | None:
    """Return the memory that this process may use; None if the system does not report it."""
    sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB$", _text(root / "proc" / "meminfo"), re.MULTILINE))
    if not {"MemTotal", "MemAvailable"} <= sizes.keys():
        return None
    total, available = int(sizes["MemTotal"]) * 1024, int(sizes["MemAvailable"]) * 1024
    for folder in _groups(root, "memory"):
        limit = _number(folder, "memory.max", "memory.limit_in_bytes")
        used = _number(folder, "memory.current", "memory.usage_in_bytes")
        if limit is not None and used is not None:
            total = min(total, limit)
            available = min(available, limit - used + _reclaimable(folder))
    return Memory(total, max(available, 0))


def oom_kills(root: Path = ROOT) -> int | None:
    """Return how many processes were killed for lack of memory so far; None if the system does not report it.

    Counts this process's control group (in a container only its own is visible); without one, the whole machine.
    """
    names = ("memory.events", "memory.oom_control")
    files = [folder / name for folder in _groups(root, "memory") for name in names]
    counted = (re.search(r"^oom_kill (\d+)$", _text(file), re.MULTILINE) for file in [*files, root / "proc" / "vmstat"])
    return next((int(found[1]) for found in counted if found), None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and its parents: the limits of all of them apply."""
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys" / "fs" / "cgroup" / (controller if controllers else "")
        group = mount / path.lstrip("/")
        # A container often sees its own group at the mount, while its path there does not exist.
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(mount) and folder.is_dir())


def _quota(folder: Path) -> float | None:
    """Return the number of CPUs that a group may use; None: no limit."""
    limit, _, period = _text(folder / "cpu.max").partition(" ")
    if not limit:
        limit, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    try:
        return int(limit) / int(period) if int(limit) > 0 and int(period) > 0 else None
    except ValueError:  # `max`, or nothing at all
        return None


def _reclaimable(folder: Path) -> int:
    """Return the bytes of a group that only cache files."""
    found = re.findall(r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
    return int(found[-1]) if found else 0  # the last one includes subgroups, which version 1 lists separately


def _number(folder: Path, *names: str) -> int | None:
    for name in names:
        text = _text(folder / name).strip()
        if text.isdigit():
            return int(text)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
