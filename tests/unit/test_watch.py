import signal
import threading
import time
from collections.abc import Callable

import pytest

from notebook_ci.execute_notebook import watch as watch_module
from notebook_ci.execute_notebook.watch import Watch

SOON = 0.05
LONG = 60.0


class Kernel:
    """Takes what a watch sends, each with the moment it came."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.signals: list[int] = []
        self.times: list[float] = []
        self.told = threading.Condition()

    def send(self, number: int) -> None:
        with self.told:
            self.signals.append(number)
            self.times.append(time.monotonic() - self.began)
            self.told.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        with self.told:
            assert self.told.wait_for(condition, timeout=60)

    def watched(self, *, cell: float | None = None, notebook: float | None = None) -> Watch:
        return Watch(cell, notebook, self.send)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setattr(watch_module, "TICK_SECONDS", 0.01)
    return Kernel()


def test_a_cell_that_takes_too_long_is_interrupted_once(kernel: Kernel) -> None:
    with kernel.watched(cell=SOON, notebook=LONG) as watch:
        watch.cell_begins()
        kernel.until(lambda: bool(kernel.signals))
        assert watch.exceeded == "cell-timeout"
        time.sleep(0.1)
    assert kernel.signals == [signal.SIGINT]
    assert kernel.times[0] > SOON
    assert watch.limits == {"cell-timeout": SOON, "notebook-timeout": LONG}


def test_each_cell_has_its_own_time(kernel: Kernel) -> None:
    with kernel.watched(cell=1) as watch:
        for _ in range(4):
            watch.cell_begins()
            time.sleep(0.3)
            watch.cell_ends()
    assert (watch.exceeded, kernel.signals) == (None, [])


def test_time_between_cells_is_no_cell_s_time(kernel: Kernel) -> None:
    with kernel.watched(cell=0.5) as watch:
        watch.cell_begins()
        watch.cell_ends()
        time.sleep(0.7)
    assert (watch.exceeded, kernel.signals) == (None, [])


def test_a_notebook_that_takes_too_long_is_interrupted_between_cells_too(kernel: Kernel) -> None:
    with kernel.watched(cell=LONG, notebook=SOON) as watch:
        kernel.until(lambda: bool(kernel.signals))
    assert (watch.exceeded, kernel.signals) == ("notebook-timeout", [signal.SIGINT])


def test_cells_that_are_quick_do_not_prolong_a_notebook(kernel: Kernel) -> None:
    with kernel.watched(cell=LONG, notebook=0.1) as watch:
        for _ in range(1000):
            if watch.exceeded:
                break
            watch.cell_begins()
            time.sleep(0.01)
            watch.cell_ends()
    assert watch.exceeded == "notebook-timeout"


def test_the_cell_s_limit_is_named_where_both_are_exceeded(kernel: Kernel) -> None:
    watch = kernel.watched(cell=SOON, notebook=SOON)
    watch.cell_begins()
    time.sleep(2 * SOON)
    with watch:
        kernel.until(lambda: bool(kernel.signals))
    assert watch.exceeded == "cell-timeout"


def test_what_does_not_heed_the_interrupt_is_killed_after_a_grace(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "GRACE_SECONDS", 0.1)
    with kernel.watched(cell=SOON) as watch:
        watch.cell_begins()
        kernel.until(lambda: len(kernel.signals) >= 2)
    first, *others = kernel.signals
    assert (first, set(others)) == (signal.SIGINT, {signal.SIGKILL})  # the second is repeated
    assert kernel.times[1] - kernel.times[0] > 0.09
    assert watch.exceeded == "cell-timeout"


def test_a_notebook_that_ends_within_the_grace_is_not_killed(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "GRACE_SECONDS", 1)
    with kernel.watched(cell=SOON) as watch:
        watch.cell_begins()
        kernel.until(lambda: bool(kernel.signals))
    time.sleep(1.2)
    assert kernel.signals == [signal.SIGINT]


def test_without_limits_nothing_happens(kernel: Kernel) -> None:
    with kernel.watched() as watch:
        watch.cell_begins()
        time.sleep(0.1)
    assert (kernel.signals, watch.exceeded) == ([], None)


def test_the_watch_ends_with_the_notebook(kernel: Kernel) -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), kernel.watched(notebook=LONG):
        raise ZeroDivisionError
    assert threading.active_count() == before
