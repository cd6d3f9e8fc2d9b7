"""A real browser, and a server on loopback that serves it pages and counts what else it asks for.

Needs Chromium (Debian: `chromium`; GitHub's runners have Chrome). Without it the tests are skipped.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest

# Looks at a page from outside, as a script of the page itself could not where the page lets none run.
LOOK = """<!DOCTYPE html><iframe src="page" width="1000" height="3000"></iframe><pre></pre><script>
document.querySelector("iframe").onload = (event) => {
  const page = event.target.contentDocument, all = (css) => [...page.querySelectorAll(css)]
  const style = (css, name) => all(css).map((each) => getComputedStyle(each)[name])
  document.querySelector("pre").textContent = "SEEN" + JSON.stringify({
    title: page.title,
    text: page.body.innerText,
    images: all("img").map((each) => each.naturalWidth),
    tables: all("table").map((table) => table.rows.length),
    headings: all("h1, h2").map((each) => each.innerText),
    keywords: style(".highlight .k, .highlight .kn", "color"),
    code: style(".highlight", "color"),
    elements: [...new Set(all("*").map((each) => each.tagName.toLowerCase()))],
    attributes: [...new Set(all("body *").flatMap((each) => each.getAttributeNames()))],
    sources: all("[src]").map((each) => each.src.slice(0, 30)),
    schemes: [...new Set(all("[href]").map((each) => each.protocol))],
  }) + "NEES"
}
</script>"""


KEYS = {"Tab": 9, "Enter": 13}


NOTED = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}


class Session:
    """A page that a person uses: with real keys, and a printer. By the DevTools protocol, over pipes.

    Attributes:
        noted: The entries of the console since the page was loaded, as JSON. Errors of the page are among them.
    """

    def __init__(self, source: IO[bytes], target: IO[bytes]) -> None:
        self._source, self._target, self._number = source, target, 0
        self._session: dict[str, str] = {}
        self.noted: list[str] = []
        created = self.ask("Target.createTarget", url="about:blank")
        self._session = {"sessionId": self.ask("Target.attachToTarget", flatten=True, **created)["sessionId"]}
        for each in ("Page", "Log", "Runtime"):
            self.ask(f"{each}.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        job = {"id": self._number, "method": method, "params": parameters, **self._session}
        self._target.write(json.dumps(job).encode() + b"\0")
        self._target.flush()
        return self._next(lambda message: message.get("id") == self._number)["result"]

    def _next(self, is_it: Callable[[Any], bool]) -> Any:
        while True:
            message = json.loads(b"".join(iter(lambda: self._source.read(1), b"\0")))
            if is_it(message):
                return message
            if message.get("method") in NOTED:
                self.noted.append(json.dumps(message["params"]))

    @contextmanager
    def window(self, width: int, *, is_dark: bool = False) -> Iterator[None]:
        """Give the page a window of this width in CSS pixels, on a dark screen or a light one."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        try:
            yield
        finally:
            self.ask("Emulation.clearDeviceMetricsOverride")
            self.ask("Emulation.setEmulatedMedia", features=[])

    def load(self, url: str) -> None:
        self.noted.clear()
        self.ask("Page.navigate", url=url)
        self._next(lambda message: message.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        text = {"text": "\r"} if key == "Enter" else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=KEYS[key], **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=KEYS[key])

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def printed(self) -> bytes:
        """Return a PDF."""
        return base64.b64decode(self.ask("Page.printToPDF")["data"])


@dataclass
class Browser:
    """Loads pages.

    Attributes:
        program: The browser.
        profile: A folder for what it keeps.
        port: Of the server.
        hits: The paths below `/hit/` that were asked for since a page was loaded last.
    """

    program: str
    profile: Path
    port: int = 0
    hits: set[str] = field(default_factory=set)
    _page: str = ""
    _served: bool = False

    @property
    def _command(self) -> list[str]:
        flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
        hosts = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        return [self.program, *flags.split(), f"--user-data-dir={self.profile}", hosts]

    @contextmanager
    def session(self) -> Iterator[Session]:
        theirs, ours = os.pipe(), os.pipe()  # pairs: to read, to write
        pipes = ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{ours[1]}', "bash"]
        command = [*pipes, *self._command, "--remote-debugging-pipe"]
        with subprocess.Popen(command, pass_fds=(theirs[0], ours[1]), stderr=subprocess.DEVNULL):
            os.close(theirs[0])
            os.close(ours[1])
            with os.fdopen(ours[0], "rb") as source, os.fdopen(theirs[1], "wb") as target:
                yield Session(source, target)
            # The browser ends with its pipes.

    def serve(self, page: str) -> str:
        """Return the address of a page, without a frame around it. See `hits` for what it asked."""
        self._page = page
        self.hits.clear()
        return f"http://127.0.0.1:{self.port}/page"

    def load(self, page: str) -> dict[str, Any]:
        """Load a page in a frame, and return what is seen of it, if it is still there. See `hits` for what it asked."""
        self._page, self._served = page, False
        self.hits.clear()
        flags = "--dump-dom --virtual-time-budget=4000"
        command = [*self._command, *flags.split(), f"http://127.0.0.1:{self.port}/"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert self._served, done.stderr
        seen = re.search("SEEN({.*})NEES", done.stdout.replace(LOOK, ""), re.DOTALL)
        return dict(json.loads(unescape(seen[1]))) if seen else {}

    def answer(self, path: str) -> bytes:
        """Return what the server gives for a path."""
        if path.startswith("/hit/"):
            self.hits.add(path.removeprefix("/hit/").partition("?")[0])
        self._served |= path == "/page"
        return {"/": LOOK, "/page": self._page}.get(path, "").encode()


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Give a browser, and the server."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("chromium is not installed")
    made = Browser(program, folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = made.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
