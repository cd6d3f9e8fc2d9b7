"""An HTTP server of files, on loopback: as it should be, or ill in one of several ways."""

import base64
import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

Illness = Literal["", "silent", "slow", "half", "500", "404", "403"]
LONG_SECONDS = 600


class FileServer(ThreadingHTTPServer):
    """Serves the files of a folder.

    Attributes:
        folder: The folder.
        credentials: `user:password` for basic authentication; nothing: everybody may read.
        illness: What it does in place of serving: `silent` accepts and says nothing, `slow` says nothing after half
            of a file, `half` closes there; a number is its answer.
        asked: The paths that were asked for.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.credentials = ""
        self.illness: Illness = ""
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.asked.append(self.path)
        if self.server.illness == "silent":
            time.sleep(LONG_SECONDS)
        if self.server.illness.isdecimal():
            self._say(int(self.server.illness))
            return
        if self.server.credentials and self.headers["Authorization"] != self._expected():
            self._say(401)
            return
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self._say(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self._send(content)

    def _send(self, content: bytes) -> None:
        if not self.server.illness:
            self.wfile.write(content)
            return
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        if self.server.illness == "slow":
            time.sleep(LONG_SECONDS)
        self.close_connection = True

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _expected(self) -> str:
        return "Basic " + base64.b64encode(self.server.credentials.encode()).decode()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve_files(folder: Path) -> Iterator[FileServer]:
    """Serve a folder while the block runs."""
    server = FileServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
