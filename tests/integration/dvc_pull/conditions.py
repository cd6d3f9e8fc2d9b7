"""What is done to a checkout before a pull that must fail."""

from collections.abc import Callable

from integration.dvc_pull.repositories import Checkout

CONFIG = ".dvc/config"
POINTER = "data/raw.csv.dvc"
FORKS = "Pull requests from forks get no secrets."


def write(name: str, text: str | bytes) -> Callable[[Checkout], object]:
    return lambda checkout: checkout.workspace.write(name, text)


def remote(url: str, **settings: str) -> Callable[[Checkout], object]:
    return lambda checkout: checkout.remote(url, **settings)
