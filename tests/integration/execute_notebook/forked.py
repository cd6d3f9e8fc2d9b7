"""What a notebook and a log tell about how a kernel was started."""

import json
from pathlib import Path

from integration.suite import Done, texts

SERVER = "kernel_server/inside/start.py"


def told(done: Done, name: str) -> str:
    """Return what the first cell of an executed notebook printed."""
    return texts(json.loads(Path(done.outputs["output-dir"], name).read_text(encoding="utf-8"))["cells"][0])


def starts(done: Done) -> list[str]:
    return [found["kernel_start"] for found in done.record["notebooks"]]


def notices(done: Done) -> list[str]:
    return [notice.message for notice in done.annotations("notice")]
