"""Prints the bytes of memory (PSS) that kernels take, servers and keepers included, when each has run one cell.

launch.sh --env execute-notebook --exec python idle_kernels.py --python PYTHON --count N --start fork|spawn
"""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from dev.bench import processes
from notebook_ci.execution import folders, forking
from notebook_ci.execution.interpreter import environment
from notebook_ci.execution.kernels import UserKernelManager
from notebook_ci.execution.listener import Listener

START_SECONDS = 60.0
ARGUMENTS = ("--HistoryManager.hist_file=:memory:",)  # as nbclient has it
# What a kernel still does after its first cell is over by then.
REST_SECONDS = 2.0


class _Unheard(Listener):
    """Is told of a kernel, and does nothing about it."""

    def kernel(self, pid: int) -> None:
        pass

    def cell(self, number: int) -> None:
        pass

    def ending(self) -> None:
        pass


def main() -> None:
    """Start the kernels, measure, and end them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="Python of the kernels")
    parser.add_argument("--count", type=int, required=True, help="how many")
    parser.add_argument("--start", choices=["fork", "spawn"], required=True, help="how they come to be")
    arguments = parser.parse_args()
    print(asyncio.run(measure(arguments.python, arguments.count, arguments.start)))


async def measure(python: Path, count: int, start: str) -> int:
    """Return the memory of `count` kernels that run at once."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(python)) if start == "fork" else None
        for _ in range(count):
            folder = stack.enter_context(folders.temporary_folder())
            manager = UserKernelManager(python, folder, server, _Unheard())
            stack.callback(manager.end_now)
            await begin(manager, python, folder, stack)
            if manager.start != start:
                raise SystemExit(f"A kernel came to be by {manager.start}, not by {start}: {manager.not_forked}")
        await asyncio.sleep(REST_SECONDS)
        return processes.proportional_bytes(processes.descendants(os.getpid()))


@contextlib.contextmanager
def serving(python: Path) -> Iterator[forking.KernelServer]:
    """Run a server that forks kernels, as the stage does."""
    with folders.temporary_folder() as folder:
        environ = environment(os.environ, python, python.parents[1], folder)
        with forking.serving(python, environ, folder, folder) as server:
            yield server


async def begin(manager: UserKernelManager, python: Path, folder: Path, stack: contextlib.ExitStack) -> None:
    """Start a kernel, and have it run a cell."""
    log = stack.enter_context((folder / "kernel.log").open("w+b"))
    env = environment(os.environ, python, python.parents[1], folder)
    await manager.start_kernel(env=env, cwd=str(folder), stdout=log, stderr=log, extra_arguments=list(ARGUMENTS))
    await manager.listening(START_SECONDS)
    client = manager.client()
    stack.callback(client.stop_channels)
    client.start_channels()
    await client.wait_for_ready(timeout=START_SECONDS)
    reply = await client.execute_interactive("print(1 + 1)", timeout=START_SECONDS, output_hook=lambda _: None)
    if reply["content"]["status"] != "ok":
        raise SystemExit("A kernel did not run its cell.")


if __name__ == "__main__":
    main()
