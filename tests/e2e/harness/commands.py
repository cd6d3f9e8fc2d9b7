"""Workflow commands in the output of steps, read by the rules of GitHub's runner (its ActionCommand class).

act reads them a little differently: it misses a command with spaces before it, and takes `::error::a::b` for a command
named `error::a`. A test must see what GitHub would see, so act's reading is not used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPES = {"%25": "%", "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ","}
_IN_DATA = re.compile("%25|%0D|%0A")
_IN_PROPERTY = re.compile("%25|%0D|%0A|%3A|%2C")
_OLD_FORM = re.compile(r"##\[(?P<name>[^\s\]]+)(?P<properties> [^\]]*)?\](?P<data>.*)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A workflow command, unescaped.

    Attributes:
        name: E.g. `error`, in lower case.
        properties: By name as printed: " line" with a space before it is not "line".
        data: What stands after the second `::`.
    """

    name: str
    properties: Mapping[str, str]
    data: str


def parse(line: str) -> Command | None:
    """Read a line of output; None if it is not a command. Whether the runner obeys its name is not asked."""
    start = line.lstrip()
    if start.startswith("::"):
        header, found, data = start[2:].partition("::")
        name, _, properties = header.partition(" ")
        separator = ","
    elif old := _OLD_FORM.search(line):
        found, name, properties, data, separator = "]", old["name"], old["properties"] or "", old["data"], ";"
    else:
        return None
    if not found or not name:
        return None
    return Command(name.lower(), _properties(properties, separator), _unescape(_IN_DATA, data))


def _properties(text: str, separator: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.strip().split(separator))
    return {name: _unescape(_IN_PROPERTY, value) for name, equals, value in pairs if equals}


def _unescape(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: _ESCAPES[found[0]], text)
