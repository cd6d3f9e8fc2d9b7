"""dvc-pull from servers that are ill, ask for credentials, or are not there."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.dvc_pull.conditions import CONFIG, FORKS, POINTER
from integration.dvc_pull.repositories import KEYS, RAW, Checkout, expect, md5, pull
from integration.suite import base_environ
from servers.files import serve_files
from servers.s3 import S3, serve_s3

# --- Servers


@pytest.mark.parametrize(
    ("illness", "code", "message"),
    [
        ("silent", 3, "does not answer. Check its URL and the network. For a slow server, raise"),
        ("slow", 3, "does not answer. Check its URL and the network. For a slow server, raise"),
        ("half", 3, "closed the connection in the middle of a file. Run this again"),
        ("500", 3, "has an internal error (500). Try again later"),
        (
            "403",
            3,
            "denied access (403). Check that credentials are set",
        ),
        ("404", 1, "`data/raw.csv` is missing in the remote `storage`: `http://127.0.0.1:"),
    ],
)
def test_an_http_server_that_is_ill(checkout: Checkout, illness: str, code: int, message: str) -> None:
    with serve_files(checkout.store) as server:
        server.illness = illness  # type: ignore[assignment]
        checkout.remote(server.url, read_timeout="1", connect_timeout="1")
        began = time.monotonic()
        errors = expect(pull(checkout, targets=POINTER), code)
        assert time.monotonic() - began < 60
    assert len(errors) == 1
    assert message in errors[0][2]
    assert not list(checkout.cache.glob("notebook-ci-*"))
    assert not (checkout.folder / "data" / "raw.csv").exists()


@pytest.mark.parametrize("settings", [{}, {"auth": "basic", "user": "ann", "password": "wr0ng"}])
def test_an_http_server_that_asks_for_credentials(checkout: Checkout, settings: dict[str, str]) -> None:
    with serve_files(checkout.store) as server:
        server.credentials = "ann:right"
        checkout.remote(server.url, **settings)
        done = pull(checkout, targets=POINTER)
    assert "denied access (401). Check that credentials are set" in expect(done, 3)[0][2]
    assert "wr0ng" not in done.log


def test_credentials_in_an_address_are_not_shown(checkout: Checkout) -> None:
    with serve_files(checkout.store) as server:
        server.illness = "500"
        checkout.remote(server.url.replace("http://", "http://ann:s3cr3t@") + "/?sig=s1gned")
        done = pull(checkout, targets=POINTER)
    assert done.code
    written = [path.read_text() for path in Path(done.outputs["record"]).parent.rglob("*") if path.is_file()]
    assert not [text for text in (*written, done.log, done.summary) if "s3cr3t" in text or "s1gned" in text]


def test_a_port_where_nothing_is(checkout: Checkout) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        checkout.remote(f"http://127.0.0.1:{taken.getsockname()[1]}")
        errors = expect(pull(checkout, targets=POINTER), 3)
    assert "cannot be reached: " in errors[0][2]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 API that looks at credentials."""
    with serve_s3({**base_environ(), "HOME": str(tmp_path_factory.mktemp("guarded"))}) as server:
        server.put("/penguins")
        server.check_credentials(after=0)
        yield server


NO_METADATA = {"AWS_EC2_METADATA_DISABLED": "true"}


def test_s3_with_wrong_credentials(checkout: Checkout, guarded: S3) -> None:
    checkout.remote("s3://penguins/dvc", endpointurl=guarded.url)
    done = pull(checkout, KEYS, targets=POINTER)
    message = expect(done, 3)[0][2]
    assert message.startswith("The remote `storage` (s3://penguins/dvc) denied access (")
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in message
    assert FORKS in message
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in done.log


def test_s3_without_credentials(checkout: Checkout, guarded: S3) -> None:
    checkout.remote("s3://penguins/dvc", endpointurl=guarded.url)
    message = expect(pull(checkout, NO_METADATA, targets=POINTER), 3)[0][2]
    assert message.startswith(
        "The remote `storage` (s3://penguins/dvc) requires credentials, and none were found. Set them"
    )
    assert FORKS in message


def test_s3_without_the_bucket(checkout: Checkout, s3: S3) -> None:
    checkout.remote("s3://puffins/dvc", endpointurl=s3.url)
    message = expect(pull(checkout, KEYS, targets=POINTER), 3)[0][2]
    assert message.startswith("The remote `storage` (s3://puffins/dvc) does not exist: its server has no such bucket.")


def test_s3_without_the_object(checkout: Checkout, s3: S3) -> None:
    checkout.remote("s3://penguins/elsewhere", endpointurl=s3.url)
    hashed = md5(RAW.encode())
    message = expect(pull(checkout, KEYS, targets=POINTER), 1)[0][2]
    assert message.startswith(
        "`data/raw.csv` is missing in the remote `storage`: `"
        f"s3://penguins/elsewhere/files/md5/{hashed[:2]}/{hashed[2:]}` does not exist."
    )


def test_s3_that_says_nothing(checkout: Checkout) -> None:
    with serve_files(checkout.store) as server:
        server.illness = "silent"
        checkout.remote("s3://penguins/dvc", endpointurl=server.url, read_timeout="1", connect_timeout="1")
        began = time.monotonic()
        message = expect(pull(checkout, KEYS, targets=POINTER), 3)[0][2]
        assert time.monotonic() - began < 60
    assert "does not answer." in message


# --- The machine


def test_addresses_of_two_kinds_of_clouds(checkout: Checkout) -> None:
    for kind in ("s3", "gs"):
        checkout.workspace.write(f"{kind}.dvc", f"deps:\n- path: {kind}://penguins/x\nouts:\n- path: {kind}\n")
    message = expect(pull(checkout, targets=POINTER), 2)[0][2]
    assert message.startswith("Remotes and imports are of several kinds: gs, s3.")


def test_remotes_of_two_kinds_of_clouds(checkout: Checkout) -> None:
    checkout.remote("s3://penguins/dvc")
    with (checkout.folder / CONFIG).open("a") as file:
        file.write("['remote \"other\"']\n    url = gs://penguins/dvc\n")
    with (checkout.folder / POINTER).open("a") as file:
        file.write("  remote: other\n")
    assert expect(pull(checkout), 2)[0][2].startswith("Remotes and imports are of several kinds: gs, s3.")
