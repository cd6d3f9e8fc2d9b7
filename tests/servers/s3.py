"""A server with the API of S3, on loopback: moto, in a tool environment of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
BINARY = {"Content-Type": "application/octet-stream"}  # else moto takes the content for a form


@dataclass(frozen=True)
class S3:
    """A running server."""

    url: str

    def put(self, path: str, content: bytes = b"") -> None:
        """Make a bucket (`/bucket`), or an object in it."""
        self._ask("PUT", path, content)

    def check_credentials(self, *, after: int) -> None:
        """Refuse requests without right credentials, after so many that are let pass."""
        self._ask("POST", "/moto-api/reset-auth", str(after).encode())

    def wake(self) -> None:
        """Ask for anything; raises OSError where nobody answers."""
        self._ask("GET", "/")

    def _ask(self, method: str, path: str, content: bytes | None = None) -> None:
        request = urllib.request.Request(self.url + path, data=content, method=method, headers=BINARY)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - loopback
            pass


@contextlib.contextmanager
def serve_s3(environ: Mapping[str, str]) -> Iterator[S3]:
    """Serve while the block runs.

    Args:
        environ: The environment to start it in.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "s3-server", "--exec", "moto_server"]
    process = subprocess.Popen(
        [*launch, "-H", "127.0.0.1", "-p", str(port)],
        env=dict(environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        server = S3(f"http://127.0.0.1:{port}")
        _wait(server, process)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(server: S3, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError("moto_server has ended")
        with contextlib.suppress(OSError):
            server.wake()
            return
        time.sleep(0.1)
    raise TimeoutError("moto_server does not answer")
