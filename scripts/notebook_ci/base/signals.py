"""Signals to this process, and those that ended another one."""

import contextlib
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

from notebook_ci.base.errors import Cancelled
from notebook_ci.base.process import POSIX

CANCELLING = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 0.01
CRASHES = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS")  # caused by the program itself


@contextlib.contextmanager
def cancellable() -> Iterator[None]:
    """Raise `Cancelled` at the first SIGINT or SIGTERM; later ones are ignored while results are saved.

    A runner sends SIGINT, 7.5 seconds later SIGTERM, and kills 2.5 seconds after that. A signal that was ignored before
    (`nohup`, a background job of a shell) stays ignored.
    """
    numbers = [number for number in CANCELLING if signal.getsignal(number) != signal.SIG_IGN]

    def cancel(number: int, _: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Cancelled(number)

    def try_again(dropped: "sys.UnraisableHookArgs") -> None:
        if not isinstance(dropped.exc_value, Cancelled):
            before(dropped)
            return
        number = dropped.exc_value.signal_number
        signal.signal(number, cancel)
        # To this thread, so that a signal also ends its waiting.
        send = functools.partial(signal.pthread_kill, threading.get_ident()) if POSIX else signal.raise_signal
        timers.append(threading.Timer(AGAIN_SECONDS, send, [number]))
        timers[-1].start()

    timers: list[threading.Timer] = []
    # Python drops what a signal handler raises in a finalizer, as of progress bars, or in the callback of a reference.
    before, sys.unraisablehook = sys.unraisablehook, try_again
    try:
        with _handled(numbers, cancel):
            yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM during short work that must be finished, such as saving the record."""
    with _handled(CANCELLING, signal.SIG_IGN):
        yield


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until short work is finished that must not be interrupted."""
    if not POSIX:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, CANCELLING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def how_it_ended(code: int | None) -> str:
    """Return `was killed by SIGKILL`, `crashed with SIGSEGV`, `ended with exit code 3`. `code`: see `subprocess`."""
    if code is None or code >= 0:
        return "ended" if code is None else f"ended with exit code {code}"
    name = signal_name(-code)
    return f"crashed with {name} ({signal.strsignal(-code)})" if name in CRASHES else f"was killed by {name}"


@contextlib.contextmanager
def _handled(
    numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None] | signal.Handlers
) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
