import os
from pathlib import Path

import pytest

from notebook_ci.execute_notebook import machine
from notebook_ci.execute_notebook.machine import Memory

MEMINFO = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\nHugePages_Total:       0\n"
KB = 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    write(tmp_path / "proc" / "meminfo", MEMINFO)
    return tmp_path


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a machine whose affinity leaves eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def v2(root: Path, group: str, **files: str) -> None:
    """Write files of a control group of version 2; `cpu_max` is the file `cpu.max`."""
    write(root / "proc" / "self" / "cgroup", f"0::{group}\n")
    limits(root / "sys/fs/cgroup" / group.lstrip("/"), **files)


def limits(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write(folder / name.replace("_", ".", 1), text)


# --- CPUs


@pytest.mark.parametrize(
    ("cpu_max", "expected"),
    [
        ("150000 100000\n", 2),
        ("100000 100000\n", 1),
        ("100001 100000\n", 2),
        ("5000 100000\n", 1),
        ("400000 100000\n", 4),
        ("1600000 100000\n", 8),
        ("max 100000\n", 8),
        ("max\n", 8),
        ("0 100000\n", 8),
        ("100000 0\n", 8),
        ("-1 100000\n", 8),
        ("", 8),
        ("\0\n", 8),
        ("100000", 8),
        ("1e5 1e5", 8),
    ],
)
def test_a_quota_is_rounded_up(root: Path, cpu_max: str, expected: int) -> None:
    v2(root, "/job", cpu_max=cpu_max)
    assert machine.cpus(root) == expected


def test_the_lowest_of_nested_quotas_holds(root: Path) -> None:
    v2(root, "/a/b/c", cpu_max="max 100000")
    limits(root / "sys/fs/cgroup/a", cpu_max="300000 100000")
    assert machine.cpus(root) == 3
    limits(root / "sys/fs/cgroup/a/b", cpu_max="200000 100000")
    assert machine.cpus(root) == 2
    limits(root / "sys/fs/cgroup", cpu_max="50000 100000")
    assert machine.cpus(root) == 1


def test_a_group_that_is_not_in_sight_leaves_those_above_it(root: Path) -> None:
    """A container sees its own group at the mount."""
    write(root / "proc/self/cgroup", "0::/docker/0123\n")
    limits(root / "sys/fs/cgroup", cpu_max="200000 100000")
    assert machine.cpus(root) == 2


def test_a_group_above_what_a_namespace_shows(root: Path) -> None:
    """So Linux shows a process that was moved out of its namespace."""
    v2(root, "/../job")
    limits(root / "sys/fs/cgroup", cpu_max="200000 100000")
    assert machine.cpus(root) == 2


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_version_1(root: Path, controllers: str) -> None:
    write(root / "proc/self/cgroup", f"12:memory:/job\n4:{controllers}:/job\n1:name=systemd:/job\n0::/\n")
    group = root / "sys/fs/cgroup/cpu/job"
    limits(group, cpu_cfs_quota_us="250000\n", cpu_cfs_period_us="100000\n")
    assert machine.cpus(root) == 3
    limits(group, cpu_cfs_quota_us="-1\n")
    assert machine.cpus(root) == 8


def test_affinity_counts_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    v2(root, "/job", cpu_max="400000 100000")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 6, 7})
    assert machine.cpus(root) == 3


def test_where_nothing_is_known_all_cpus_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.cpus(tmp_path) == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert machine.cpus(tmp_path) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cpus(tmp_path) == 1


# --- Memory


def test_without_limits_it_is_that_of_the_machine(root: Path) -> None:
    assert machine.memory(root) == Memory(16000 * KB, 8000 * KB)


def test_the_limit_of_a_group_less_what_it_uses(root: Path) -> None:
    v2(root, "/job", memory_max=f"{4000 * KB}\n", memory_current=f"{3000 * KB}\n")
    assert machine.memory(root) == Memory(4000 * KB, 1000 * KB)


def test_copies_of_files_are_no_use(root: Path) -> None:
    stat = f"anon 5\nactive_file 7\ninactive_file {500 * KB}\nslab 3\n"
    v2(root, "/job", memory_max=f"{4000 * KB}", memory_current=f"{3000 * KB}", memory_stat=stat)
    assert machine.memory(root) == Memory(4000 * KB, 1500 * KB)


def test_the_machine_may_have_less_left_than_the_group(root: Path) -> None:
    v2(root, "/job", memory_max=f"{15000 * KB}", memory_current="0")
    assert machine.memory(root) == Memory(15000 * KB, 8000 * KB)


@pytest.mark.parametrize("limit", ["max\n", "", f"{17000 * KB}", "99999999999999999999", "-1", "x"])
def test_a_limit_that_is_none(root: Path, limit: str) -> None:
    v2(root, "/job", memory_max=limit, memory_current="5")
    assert machine.memory(root) == Memory(16000 * KB, 8000 * KB)


def test_a_group_that_uses_more_than_its_limit_has_nothing_left(root: Path) -> None:
    v2(root, "/job", memory_max=f"{1000 * KB}", memory_current=f"{1001 * KB}")
    assert machine.memory(root) == Memory(1000 * KB, 0)


def test_the_least_that_nested_groups_leave(root: Path) -> None:
    v2(root, "/a/b", memory_max=f"{4000 * KB}", memory_current=f"{1000 * KB}")
    limits(root / "sys/fs/cgroup/a", memory_max=f"{3000 * KB}", memory_current=f"{2500 * KB}")
    assert machine.memory(root) == Memory(3000 * KB, 500 * KB)


def test_a_group_with_the_higher_limit_can_have_less_left(root: Path) -> None:
    """Others use what the group above it may have."""
    v2(root, "/a/b", memory_max=f"{3000 * KB}", memory_current=f"{1000 * KB}")
    limits(root / "sys/fs/cgroup/a", memory_max=f"{4000 * KB}", memory_current=f"{3500 * KB}")
    assert machine.memory(root) == Memory(3000 * KB, 500 * KB)


def test_memory_of_version_1(root: Path) -> None:
    write(root / "proc/self/cgroup", "9:memory:/job\n")
    stat = f"inactive_file 1\ntotal_inactive_file {200 * KB}\n"
    limits(
        root / "sys/fs/cgroup/memory/job",
        memory_limit_in_bytes=f"{4000 * KB}\n",
        memory_usage_in_bytes=f"{3000 * KB}\n",
        memory_stat=stat,
    )
    assert machine.memory(root) == Memory(4000 * KB, 1200 * KB)


@pytest.mark.parametrize("text", ["", "MemTotal: 16000 kB\n", "MemTotal: x kB\nMemAvailable: y kB\n"])
def test_where_nothing_is_told_nothing_is_known(root: Path, text: str) -> None:
    write(root / "proc" / "meminfo", text)
    assert machine.memory(root) is None


@pytest.mark.parametrize(
    ("total", "available", "expected"),
    [
        (16_000_000_000, 999_999_999, True),
        (16_000_000_000, 1_000_000_001, False),  # though less than a tenth
        (4_000_000_000, 399_999_999, True),
        (4_000_000_000, 400_000_001, False),  # though less than a gigabyte
        (1000, 0, True),
    ],
)
def test_when_memory_is_short(total: int, available: int, *, expected: bool) -> None:
    assert Memory(total, available).is_short == expected


def test_this_machine_tells() -> None:
    assert machine.cpus() >= 1
    found = machine.memory()
    assert found
    assert 0 < found.available <= found.total


# --- Processes killed for lack of memory

EVENTS = "low 0\nhigh 12\nmax 40\noom 3\noom_kill 2\noom_group_kill 1\n"
VMSTAT = "nr_free_pages 1\noom_kill 7\ndrop_slab 0\n"


def test_kills_of_a_group_of_version_2(root: Path) -> None:
    write(root / "proc" / "vmstat", VMSTAT)
    v2(root, "/job", memory_events=EVENTS)
    assert machine.oom_kills(root) == 2


def test_kills_of_a_group_of_version_1(root: Path) -> None:
    write(root / "proc" / "vmstat", VMSTAT)
    write(root / "proc" / "self" / "cgroup", "3:cpu:/x\n4:memory:/job\n0::/\n")
    write(root / "sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 9\n")
    write(root / "sys/fs/cgroup/memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert machine.oom_kills(root) == 1


def test_kills_of_the_machine_where_there_is_no_group(root: Path) -> None:
    write(root / "proc" / "vmstat", VMSTAT)
    v2(root, "/")
    assert machine.oom_kills(root) == 7


def test_a_system_that_does_not_tell_of_kills(root: Path) -> None:
    v2(root, "/job", memory_events="low 0\noom 3\n")
    assert machine.oom_kills(root) is None
