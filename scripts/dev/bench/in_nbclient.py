"""Executes the notebooks of the working directory with nbclient, in one process, as a user would write it.

As many run at the same time as there are CPUs. They are saved in the folder `out`, which is created.
"""

import asyncio
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

OUTPUT = Path("out")


async def execute(path: Path, turn: asyncio.Semaphore) -> None:
    async with turn:
        nb = nbformat.read(path, as_version=4)
        await NotebookClient(nb, timeout=None).async_execute()
        nbformat.write(nb, OUTPUT / path.name)


async def main() -> None:
    OUTPUT.mkdir()
    turn = asyncio.Semaphore(len(os.sched_getaffinity(0)))
    await asyncio.gather(*(execute(path, turn) for path in sorted(Path().glob("*.ipynb"))))


if __name__ == "__main__":
    asyncio.run(main())
