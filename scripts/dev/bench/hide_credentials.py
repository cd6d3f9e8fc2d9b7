"""Hides credentials in 100 MB of executed notebooks: in our code, in JSON with many escapes, or in images in base64."""

import base64
import json
import random
import sys
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SCRIPTS))

from notebook_ci.base.masking import HIDDEN, learn, masked

BYTES = 100_000_000
RANDOM = random.Random(1)  # noqa: S311 - not for cryptography
TOKENS = {f"TOKEN_{number}": f"{number}-{RANDOM.randbytes(8).hex()}-{number}" for number in range(20)}


def notebook(text: str) -> dict[str, Any]:
    output = {"output_type": "stream", "name": "stdout", "text": text}
    return {"cells": [{"cell_type": "code", "source": "print(text)", "outputs": [output]}]}


learn(TOKENS)
code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.rglob("*.py")))
text = {
    "code": code,
    "json": json.dumps(json.dumps(code)),
    "images": base64.b64encode(RANDOM.randbytes(len(code))).decode(),
}[sys.argv[1]]
searched = 0
while searched < BYTES:
    executed = notebook(f"{searched} {text}")
    searched += len(text)
    if masked(executed) != executed:
        raise SystemExit("A credential was found in a text that has none.")
if masked(notebook(TOKENS["TOKEN_7"])) != notebook(HIDDEN):
    raise SystemExit("A credential was not hidden.")
print("100 MB searched")
