"""Executes the notebooks of the working directory with nbclient, in one process, as a user would write it.

    python in_nbclient.py OUTPUT [--some-at-once]

Executes all at once, or as many as there are CPUs. Saves them in the folder OUTPUT, which is created.
"""

import asyncio
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

# On few CPUs, a hundred kernels that start at once take longer than the default of 60 seconds.
START_SECONDS = 600


async def execute(path: Path, output: Path, turn: asyncio.Semaphore) -> None:
    async with turn:
        nb = nbformat.read(path, as_version=4)
        await NotebookClient(nb, timeout=None, startup_timeout=START_SECONDS).async_execute()
        nbformat.write(nb, output / path.name)


async def main(output: Path, *, some: bool) -> None:
    output.mkdir()
    paths = sorted(Path().glob("*.ipynb"))
    turn = asyncio.Semaphore(len(os.sched_getaffinity(0)) if some else len(paths))
    await asyncio.gather(*(execute(path, output, turn) for path in paths))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), some="--some-at-once" in sys.argv))
