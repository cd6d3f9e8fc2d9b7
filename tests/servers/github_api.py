"""GitHub's REST API for comments and checks, on loopback: as its documents say, or ill in one of several ways.

Source: "Issue comments", "Pulls", "Check runs", "Workflow jobs", "Artifacts", "Using pagination in the REST API", "Rate
limits for the REST API" in GitHub's documentation, version 2022-11-28; and `viewer` of its GraphQL API.
"""

import contextlib
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

JOB_TOKEN, READ_ONLY, OF_ADA, OF_APP = "ghs_job", "ghs_read", "ghp_ada", "ghs_app"
ACCOUNTS = {
    JOB_TOKEN: "github-actions[bot]",
    READ_ONLY: "github-actions[bot]",
    OF_ADA: "ada",
    OF_APP: "bot-of-acme[bot]",
}
MOST_CHARACTERS = 65_536
REPOSITORY = "/repos/acme/penguins"
DENIED: tuple[int, str, dict[str, str]] = (403, "Resource not accessible by integration", {})
# Answers by illness: status, message, headers.
ILLNESSES: dict[str, tuple[int, str, dict[str, str]]] = {
    "denied": DENIED,
    "overloaded": (502, "Server Error", {}),
    "secondary": (403, "You have exceeded a secondary rate limit. Please wait.", {"retry-after": "1"}),
    "too many": (429, "Too many requests", {"retry-after": "1"}),
    "secondary for long": (429, "You have exceeded a secondary rate limit.", {"retry-after": "900"}),
    "primary": (403, "API rate limit exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "{soon}"}),
    "locked": (403, "Unable to create comment because issue is locked.", {}),
    "page": (200, "<html>Log in to the network</html>", {}),
    "half an answer": (200, '[{"id": 1,', {}),
}


class GitHubRestApi(ThreadingHTTPServer):
    """The API of the repository `acme/penguins`.

    Attributes:
        comments: The comments of pull request 5.
        pulls: The open pull requests.
        checks: The checks that were created.
        of_runs: The artifacts and jobs of runs: `1001/artifacts`, `1001/attempts/1/jobs`.
        illness: What it answers to changes and lists, see `ILLNESSES`; empty: what it should.
        ill_for: How many requests the illness lasts.
        delay: Seconds before a list is answered: so two processes look at the same time.
        asked: The requests: method and path.
        on_change: Called before each change, once.
    """

    daemon_threads = True

    def __init__(self, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake belongs to the thread of the connection: a client may end it.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.comments: list[dict[str, Any]] = []
        self.pulls: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.of_runs: dict[str, list[dict[str, Any]]] = {}
        self.illness, self.ill_for = "", 0
        self.delay = 0.0
        self.asked: list[str] = []
        self.on_change: Any = None
        self._lock = threading.Lock()
        self._number = 100

    @property
    def url(self) -> str:
        """With a path, as that of GitHub Enterprise."""
        return f"{self._scheme}://127.0.0.1:{self.server_address[1]}/api/v3"

    def add(self, author: str, body: str) -> dict[str, Any]:
        with self._lock:
            self._number += 1
            kind = "Bot" if author.endswith("[bot]") else "User"
            comment = {
                "id": self._number,
                "url": f"{self.url}{REPOSITORY}/issues/comments/{self._number}",
                "html_url": f"https://github.com/acme/penguins/pull/5#issuecomment-{self._number}",
                "user": {"login": author, "type": kind},
                "body": body,
            }
            self.comments.append(comment)
            return comment

    def by(self, author: str) -> list[str]:
        return [each["body"] for each in self.comments if each["user"]["login"] == author]


class _Handler(BaseHTTPRequestHandler):
    server: GitHubRestApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PATCH(self) -> None:
        self._route()

    def do_DELETE(self) -> None:
        self._route()

    def _route(self) -> None:
        server = self.server
        length = int(self.headers["Content-Length"] or 0)
        given = json.loads(self.rfile.read(length)) if length else {}
        path, query = urlsplit(self.path).path.removeprefix("/api/v3"), parse_qs(urlsplit(self.path).query)
        server.asked.append(f"{self.command} {path}")
        self._account = ACCOUNTS.get((self.headers["Authorization"] or "").partition(" ")[2], "")
        if not self._account:
            self._say(401, "Bad credentials")
        elif server.ill_for > 0:
            server.ill_for -= 1
            self._be_ill()
        elif self.command != "GET" and READ_ONLY in self.headers["Authorization"]:
            self._say(*DENIED)
        else:
            if self.command != "GET" and server.on_change:
                change, server.on_change = server.on_change, None
                change()
            self._serve(path, query, given)

    def _serve(self, path: str, query: dict[str, list[str]], given: dict[str, Any]) -> None:
        match self.command, path.removeprefix(REPOSITORY):
            case "POST", "/api/graphql" if given["query"] == "{ viewer { login } }":
                self._answer(200, {"data": {"viewer": {"login": self._account}}})
            case "GET", listing if found := re.fullmatch(r"/actions/runs/(.+)/(jobs|artifacts)", listing):
                self._list(self.server.of_runs.get(f"{found[1]}/{found[2]}", []), query, wrapped=found[2])
            case "GET", "/pulls":
                self._list([each for each in self.server.pulls if each["head"]["label"] in query["head"]], query)
            case "GET", "/issues/5/comments":
                listed = list(self.server.comments)
                time.sleep(self.server.delay)
                self._list(listed, query)
            case "POST", "/issues/5/comments":
                self._write(201, given, None)
            case "POST", "/check-runs":
                self.server.checks.append(given)
                self._answer(201, {"id": 1, "html_url": "https://github.com/acme/penguins/runs/1", **given})
            case method, other if found := re.fullmatch(r"/issues/comments/(\d+)", other):
                self._on_comment(method, int(found[1]), given)
            case _:
                self._say(404, "Not Found")

    def _on_comment(self, method: str, number: int, given: dict[str, Any]) -> None:
        found = next((each for each in self.server.comments if each["id"] == number), None)
        if found is None:
            self._say(404, "Not Found")
        elif method == "DELETE":
            self.server.comments.remove(found)
            self._answer(204, None)
        else:
            self._write(200, given, found)

    def _write(self, status: int, given: dict[str, Any], comment: dict[str, Any] | None) -> None:
        if len(given["body"]) > MOST_CHARACTERS:
            errors = [{"resource": "IssueComment", "code": "custom", "message": "body is too long"}]
            self._answer(422, {"message": "Validation Failed", "errors": errors})
        elif comment:
            comment["body"] = given["body"]
            self._answer(status, comment)
        else:
            self._answer(status, self.server.add(self._account, given["body"]))

    def _list(self, values: list[Any], query: dict[str, list[str]], wrapped: str = "") -> None:
        page, size = (int(query.get(name, [default])[0]) for name, default in (("page", "1"), ("per_page", "30")))
        address = f"{self.server.url}{urlsplit(self.path).path.removeprefix('/api/v3')}"
        more = page * size < len(values)
        link = {"Link": f'<{address}?per_page={size}&page={page + 1}>; rel="next"'} if more else {}
        listed = values[(page - 1) * size : page * size]
        self._answer(200, {"total_count": len(values), wrapped: listed} if wrapped else listed, link)

    def _be_ill(self) -> None:
        status, message, headers = ILLNESSES[self.server.illness]
        soon = str(int(time.time()) + 1)
        if status == HTTPStatus.OK:
            self._send(status, message.encode(), {"Content-Type": "text/html"})
        else:
            self._say(status, message, {name: value.format(soon=soon) for name, value in headers.items()})

    def _say(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._answer(status, {"message": message, "documentation_url": "https://docs.github.com/rest"}, headers)

    def _answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self._send(status, body, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # the client does not trust the certificate
            super().handle()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving_rest_api(certificate: Path | None = None) -> Iterator[GitHubRestApi]:
    """Serve the API while the block runs; with a certificate and its key, by HTTPS."""
    with GitHubRestApi(certificate) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
