"""What a release asks of GitHub's REST API, on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "ghs_secret"  # noqa: S105 - of no GitHub
GREEN = {"status": "completed", "conclusion": "success", "html_url": "https://run"}


class GitHubApi(ThreadingHTTPServer):
    """The API of the repository `acme/suite`.

    Attributes:
        runs: The runs of CI for the commit that is asked about.
        status: The answer to a new release; below 300 it is created.
        asked: The paths that were asked for.
        releases: The releases that were created.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: list[dict[str, Any]] = [GREEN]
        self.status = 201
        self.asked: list[str] = []
        self.releases: list[dict[str, Any]] = []

    @property
    def environ(self) -> dict[str, str]:
        """What a runner tells a step about it."""
        return {
            "GITHUB_API_URL": f"http://127.0.0.1:{self.server_address[1]}",
            "GITHUB_REPOSITORY": "acme/suite",
        }


class _Handler(BaseHTTPRequestHandler):
    server: GitHubApi

    def do_GET(self) -> None:
        self._answer(200, {"workflow_runs": self.server.runs})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status < 300:
            self.server.releases.append(body)
        self._answer(self.server.status, {"message": "Validation Failed"})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self.server.asked.append(self.path)
        self.send_response(status if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving() -> Iterator[GitHubApi]:
    """Serve the API."""
    with GitHubApi() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
