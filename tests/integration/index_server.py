"""A package index (PEP 503) on loopback: with a password, with an error, silent, or as the proxy of another host."""

import base64
import contextlib
import hashlib
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

WAIT_SECONDS = 30.0


@dataclass
class Gate:
    """Holds the answers to requests whose path has `part` in it, until it is opened.

    Attributes:
        part: Part of a path; nothing holds no request.
        reached: Set when the first such request has come.
        opened: Set to let them go on.
        together: Let them go on as soon as two have come.
    """

    part: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    together: threading.Barrier | None = None

    def hold(self, path: str) -> None:
        if not self.part or self.part not in path:
            return
        self.reached.set()
        if self.together:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.together.wait(WAIT_SECONDS)
        else:
            self.opened.wait(WAIT_SECONDS)


@dataclass
class IndexServer:
    """What the index serves, and what it was asked.

    Attributes:
        folder: Holds the wheels.
        login: `user:password` that must be given, or nothing.
        status: Answer everything with this status instead.
        gate: Holds answers.
        asked: The paths that were asked for with success; as a proxy, the whole addresses.
        logins: The `user:password` that were given.
    """

    folder: Path
    login: str = ""
    status: int = 0
    gate: Gate = field(default_factory=Gate)
    asked: list[str] = field(default_factory=list)
    logins: set[str] = field(default_factory=set)
    port: int = 0

    def url(self, path: str = "/simple", login: str = "") -> str:
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.port}{path}"

    def asked_for(self, part: str) -> bool:
        return any(part in path for path in self.asked)

    def page(self, path: str) -> bytes | None:
        """Return what stands at a path: a project's page, the page of all files (for find-links), or a file."""
        match path.strip("/").split("/"):
            case ["simple", project]:
                files = [file for file in self._files() if file.name.startswith(project.replace("-", "_") + "-")]
                return _links(files) if files else None
            case ["links"]:
                return _links(self._files())
            case ["files", name] if (self.folder / name).is_file():
                return (self.folder / name).read_bytes()
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.whl"))


def _links(files: list[Path]) -> bytes:
    rows = (f'<a href="/files/{file.name}#sha256={digest(file)}">{file.name}</a><br>' for file in files)
    return f"<!DOCTYPE html><html><body>{''.join(rows)}</body></html>".encode()


def digest(file: Path, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, file.read_bytes()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    index: ClassVar[IndexServer]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.index.gate.hold(path)
        body = self.index.page(path)
        if self.index.status:
            self._answer(self.index.status, b"")
        elif not self._is_known():
            self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
        elif body is None:
            self._answer(404, b"")
        else:
            self.index.asked.append(self.path)
            kind = "text/html" if "/files/" not in path else "application/octet-stream"
            self._answer(200, body, {"Content-Type": kind})

    def _is_known(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        login = base64.b64decode(given).decode()
        if login:
            self.index.logins.add(login)
        return login == self.index.login or not self.index.login

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        # The client may have been ended meanwhile: that is what some tests do.
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet: the test asks `asked`."""


@contextlib.contextmanager
def serve(index: IndexServer) -> Iterator[IndexServer]:
    """Serve the index on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"index": index}))
    server.daemon_threads = True
    server.block_on_close = False
    index.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield index
    finally:
        index.gate.opened.set()
        server.shutdown()
        server.server_close()
        thread.join()


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    metadata: str = "",
    tag: str = "py3-none-any",
    *,
    more: Mapping[str, str] | None = None,
) -> Path:
    """Make a wheel with one module, which has a variable `VERSION`, and one program, which prints it.

    `metadata` are more lines of its metadata, `more` the texts of other files by path. The `tag` of its name says which
    Pythons it is for.
    """
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n\n\ndef main():\n    print(VERSION)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        **(more or {}),
    }
    hashes = {file: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for file, text in files.items()}
    # As in debugpy 1.6, whose files for Windows were signed after they had been hashed.
    files[f"{name}.dll"], hashes[f"{name}.dll"] = "signed", base64.urlsafe_b64encode(hashlib.sha256(b"").digest())
    rows = [f"{file},sha256={hashes[file].decode().rstrip('=')},{len(files[file])}\n" for file in files]
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"])
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)  # without a time: its hash is in locks beside the tests
    return wheel
