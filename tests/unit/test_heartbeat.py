import threading

import pytest

from notebook_ci.base import heartbeat
from notebook_ci.environments.uv import doing

OUTPUT = """\
Using CPython 3.11.7 interpreter at: v/bin/python
Resolved 2 packages in 2.24s
Downloading numpy (16.1MiB)
   Building docopt @ https://user:pass@host/docopt.tar.gz
 Downloaded numpy
      Built docopt @ https://user:pass@host/docopt.tar.gz
Prepared 2 packages in 2.12s

Installed 2 packages in 16ms
 + docopt==0.6.2
""".splitlines()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (0, "resolving"),
        (2, "downloading"),
        (3, "downloading numpy (16.1MiB)"),
        (4, "downloading numpy (16.1MiB), building docopt @ https://host/docopt.tar.gz"),
        (5, "building docopt @ https://host/docopt.tar.gz"),
        (6, "downloading"),
        (7, "installing"),
    ],
)
def test_what_uv_is_doing(lines: int, said: str) -> None:
    """The lines are those of uv 0.13.9."""
    assert doing(OUTPUT[:lines]) == said


def test_a_long_step_is_not_silent_and_then_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS", 0.01)
    shown, twice = list[str](), threading.Event()

    def show(text: str) -> None:
        shown.append(text)
        if len(shown) == 2:
            twice.set()

    before = threading.active_count()
    with heartbeat.heartbeat(show, lambda: "downloading torch"):
        assert twice.wait(60)
    assert shown[0] == "  downloading torch, 0 s"
    assert threading.active_count() == before
