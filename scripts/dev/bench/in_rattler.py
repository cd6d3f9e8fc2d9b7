"""Installs packages of conda with bare calls of py-rattler, given the channel, the folder, the cache, and packages."""

import asyncio
import os
import sys

import rattler


async def install(channel: str, prefix: str, cache: str, *packages: str) -> None:
    records = await rattler.solve(
        sources=[rattler.Channel(channel)],
        specs=[rattler.MatchSpec(package) for package in packages],
        gateway=rattler.Gateway(cache_dir=f"{cache}/channels"),
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    await rattler.install(records, target_prefix=prefix, cache_dir=f"{cache}/packages")
    print(f"{len(records)} packages installed")


if __name__ == "__main__":
    asyncio.run(install(*sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)  # rattler (0.28) sometimes crashes when Python ends
