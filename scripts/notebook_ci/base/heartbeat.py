"""Shows every ten seconds what a long step is doing, so that no step is silent for longer."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

SECONDS = 10.0


@contextlib.contextmanager
def heartbeat(show: Callable[[str], object], doing: Callable[[], str]) -> Iterator[None]:
    """Call `show`, from another thread, with what `doing` returns and how long the body has been running."""
    began, ended = time.monotonic(), threading.Event()

    def beat() -> None:
        while not ended.wait(SECONDS):
            show(f"  {doing()}, {time.monotonic() - began:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
