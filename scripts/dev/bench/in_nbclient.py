"""Executes the notebooks of the working directory with nbclient, in one process, as a user would write it.

    python in_nbclient.py AT_ONCE

Executes so many at the same time. Saves them in the folder `out`, which is created.
"""

import asyncio
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

OUTPUT = Path("out")
# On few CPUs, a hundred kernels that start at once take longer than the default of 60 seconds.
START_SECONDS = 600


async def execute(path: Path, turn: asyncio.Semaphore) -> None:
    async with turn:
        nb = nbformat.read(path, as_version=4)
        await NotebookClient(nb, timeout=None, startup_timeout=START_SECONDS).async_execute()
        nbformat.write(nb, OUTPUT / path.name)


async def main(at_once: int) -> None:
    OUTPUT.mkdir()
    turn = asyncio.Semaphore(at_once)
    await asyncio.gather(*(execute(path, turn) for path in sorted(Path().glob("*.ipynb"))))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
