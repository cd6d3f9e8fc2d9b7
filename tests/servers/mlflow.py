"""An MLflow server with SQLite, a door in front of it that can demand a login or fail, and sockets that never work."""

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from integration.suite import ROOT, base_environ, wait_until

START_SECONDS = 90
LOGIN = "team:kept-secret"


def launch(*arguments: str | Path) -> list[str]:
    """Return the command that runs a program of the full MLflow's environment."""
    return ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "mlflow-full", "--exec", *map(str, arguments)]


@dataclass(frozen=True)
class MlflowServer:
    """A server, and its REST API, which the client under test is not used for.

    Attributes:
        uri: Its address.
        folder: What it keeps.
    """

    uri: str
    folder: Path

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Call the API, e.g. `POST`, `runs/search`."""
        content = json.dumps(body).encode() if method == "POST" else None
        status, answer = ask(self.uri, method, f"/api/2.0/mlflow/{path}", content)
        assert status == http.HTTPStatus.OK, answer
        return dict(json.loads(answer))

    def experiment(self, name: str) -> dict[str, Any]:
        found = self.call("GET", f"experiments/get-by-name?experiment_name={quote(name)}")
        return dict(found["experiment"])

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """Return the runs of an experiment, the oldest first."""
        number = self.experiment(experiment)["experiment_id"]
        found = self.call("POST", "runs/search", experiment_ids=[number], order_by=["attributes.start_time"])
        return list(found.get("runs", []))

    def run(self, run_id: str) -> "Run":
        return Run(self.call("GET", f"runs/get?run_id={run_id}")["run"])

    def history(self, run_id: str, metric: str) -> list[dict[str, Any]]:
        found = self.call("GET", f"metrics/get-history?run_id={run_id}&metric_key={quote(metric)}")
        return list(found["metrics"])

    def artifacts(self, run_id: str, folder: str = "") -> dict[str, int]:
        """Return the sizes of all artifacts of a run by their paths."""
        found: dict[str, int] = {}
        for file in self.call("GET", f"artifacts/list?run_id={run_id}&path={quote(folder)}").get("files", []):
            found |= self.artifacts(run_id, file["path"]) if file["is_dir"] else {file["path"]: int(file["file_size"])}
        return found

    def download(self, run_id: str, path: str) -> bytes:
        """Return an artifact, as the page of a run gives it to a browser."""
        status, content = ask(self.uri, "GET", f"/get-artifact?run_uuid={run_id}&path={quote(path)}")
        assert status == http.HTTPStatus.OK, content
        return content


@dataclass(frozen=True)
class Run:
    """A run, as the API has it."""

    json: Mapping[str, Any]

    @property
    def info(self) -> dict[str, Any]:
        return dict(self.json["info"])

    @property
    def parameters(self) -> dict[str, str]:
        return {each["key"]: each["value"] for each in self.json["data"].get("params", [])}

    @property
    def metrics(self) -> dict[str, Any]:
        return {each["key"]: each["value"] for each in self.json["data"].get("metrics", [])}

    @property
    def tags(self) -> dict[str, str]:
        return {each["key"]: each["value"] for each in self.json["data"].get("tags", [])}

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        inputs = self.json.get("inputs", {}).get("dataset_inputs", [])
        return {each["dataset"]["name"]: {**each["dataset"], "tags": each["tags"]} for each in inputs}


def serve(folder: Path) -> contextlib.AbstractContextManager[MlflowServer]:
    """Run a server."""
    store = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts")
    return started(launch("mlflow", "server", "--workers", "1", *store), folder)


def shown(command: str, folder: Path) -> contextlib.AbstractContextManager[MlflowServer]:
    """Run a command of a shell that starts a server, in a folder, where MLflow is installed."""
    program = subprocess.run(
        launch("python", "-c", "import sys; print(sys.executable)"), capture_output=True, check=True
    )
    path = f"{Path(os.fsdecode(program.stdout)).parent}:{os.environ['PATH']}"
    return started(["bash", "-c", f"exec {command}"], folder, PATH=path)


@contextlib.contextmanager
def started(command: list[str], folder: Path, **environ: str) -> Iterator[MlflowServer]:
    """Start a server. Without its jobs it is two processes and 0.5 GB, not ten and 2.3 GB (MLflow 3.17)."""
    port = free_port()
    settings = {"SERVER_ENABLE_JOB_EXECUTION": "false", "DISABLE_TELEMETRY": "true", "HOST": "127.0.0.1", "PORT": port}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={
                **base_environ(),
                "HOME": str(folder),
                **{f"MLFLOW_{name}": str(value) for name, value in settings.items()},
                **environ,
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        server = MlflowServer(f"http://127.0.0.1:{port}", folder)
        assert wait_until(lambda: is_ready(server.uri), START_SECONDS), (folder / "log").read_text(encoding="utf-8")
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_ready(uri: str) -> bool:
    try:
        return ask(uri, "GET", "/health")[0] == http.HTTPStatus.OK
    except OSError:
        return False


def ask(uri: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Send a request, and return status and content of the answer."""
    connection = http.client.HTTPConnection(urlsplit(uri).netloc, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# --- The door


@dataclass
class Door:
    """A proxy in front of a server.

    Attributes:
        target: The address of the server.
        login: `user:password` that must be given, or nothing.
        method: What is below holds for requests of this method; empty: for all.
        part: And with this in their path.
        status: Answer with this status instead.
        body: The body of such an answer.
        unavailable: Answer so many requests with 503 before that.
        breaks: Break off in the middle of an answer.
        holds: Do not answer until `opened` is set.
        reached: Set when a request is held.
        opened: Lets held requests go on.
        asked: Method and path of all requests.
    """

    target: str
    login: str = ""
    method: str = ""
    part: str = ""
    status: int = 0
    body: bytes = b"<html><title>Welcome</title></html>"
    unavailable: int = 0
    breaks: bool = False
    holds: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str]] = field(default_factory=list)
    uri: str = ""

    @property
    def uri_with_login(self) -> str:
        return self.uri.replace("://", f"://{LOGIN}@")

    def answer(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Return status, type and content of the answer to a request."""
        self.asked.append((method, path))
        given = headers.get("Authorization", "")
        if self.login and given != f"Basic {base64.b64encode(self.login.encode()).decode()}":
            return 401, "text/plain", b"You are not authenticated."
        if self.unavailable:
            self.unavailable -= 1
            return 503, "text/html", b"<html>Service Unavailable</html>"
        if self.method in {"", method} and self.part in path:
            if self.holds:
                self.reached.set()
                self.opened.wait(60)
            if self.status:
                return self.status, "text/html", self.body
        host = urlsplit(self.target).netloc
        connection = http.client.HTTPConnection(host, timeout=60)
        kept = {name: value for name, value in headers.items() if name.lower() in {"content-type", "accept"}}
        connection.request(method, path, body=body or None, headers=kept)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.headers.get("Content-Type", "application/json"), content


@contextlib.contextmanager
def door(target: str, **settings: Any) -> Iterator[Door]:
    """Serve a door."""
    made = Door(target, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle_one_request()

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, kind, content = made.answer(self.command, self.path, body, dict(self.headers.items()))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if made.breaks and made.method in {"", self.command}:
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            else:
                self.wfile.write(content)

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.uri = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.opened.set()
        server.shutdown()
        server.server_close()
        thread.join()


# --- Sockets


@contextlib.contextmanager
def raw(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Listen, and do with each connection what `talk` does until the event is set. Yields the address."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection, ended)

    def accept(listener: socket.socket) -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=handle, args=(connection,), daemon=True))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        threads.append(threading.Thread(target=accept, args=(listener,), daemon=True))
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            for thread in threads:
                thread.join()


def silent(_: socket.socket, ended: threading.Event) -> None:
    """Never answer."""
    ended.wait(120)


def dripping(connection: socket.socket, ended: threading.Event) -> None:
    """Answer, a byte a second: no silence is long enough to be noticed."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    while not ended.is_set():
        connection.sendall(b" ")
        time.sleep(1)
