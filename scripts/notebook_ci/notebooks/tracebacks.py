"""Finds the location in a notebook that a traceback points to.

The formats are those of IPython 7.16 to 9.18, recorded from real kernels in `tests/unit/tracebacks.json`. All of them
are lists with one text per frame; the frame's header is its first line, and the exception's message is a separate text
after the frames. So only the first lines are read, and nothing after the message.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notebook_ci.base.masking import masked
from notebook_ci.notebooks import positions

_escape = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and cursor (CSI)
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # links and titles (OSC)
    r"|\x1b[ -/]*[0-~]?"  # any other, also one cut off
)

_LINE = r'"?(?:(?:, line |:)(?P<line>\d+))?'
_IN = r"(?:,? in (?P<function>.*))?$"
_headers = tuple(
    re.compile(r'\s*(?:File "?)?' + origin + _LINE + _IN)
    for origin in (
        # IPython 8.5 and newer: `Cell In[3], line 2, in f(x)`; 8.0 to 8.4: `Input In [3], in <cell line: 2>()`.
        r"(?:Cell|Input) In ?\[(?P<count>\d+)\]",
        # IPython 7 with ipykernel 5: `<ipython-input-3-0123abcd> in f(x)`, `File "<ipython-input-3-0123abcd>", line 2`.
        r"<ipython-input-(?P<count>\d+)-[0-9a-f]+>",
        # IPython 7 with ipykernel 6: `/tmp/ipykernel_4711/1960892624.py in f(x)`: a digest of the cell's source.
        r"\S.*[\\/]ipykernel_\d+[\\/](?P<digest>\d+)\.py",
        # The body of a cell under `%%time`; IPython 7 and 8 omit the frame of the cell itself.
        r"<timed (?:exec|eval)>",
    )
)
_arrow = re.compile(r"^-+> ?(\d+)?(.*)", re.MULTILINE)
# `File ~/x.py:1, in f(x)`, `File x.pyx:1, in ...`; IPython 7: `~/x.py in f(x)`, `x.pyx in ...`.
_library = re.compile(r"\s*(?:File .*|\S+\.pyx? in .*)$")
_message = re.compile(r"[^\W\d][\w.]*(?::\s|:?$)")
_cell_line = re.compile(r"<cell line: (\d+)>")
_chained = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
# The file name of a cell in texts of Python and libraries; a SyntaxError omits the folder.
_file_line = re.compile(
    r'(?:(?:(?:"[^"\n]{0,100}?|[^\s"(]{0,100}?)ipykernel_\d+[\\/])?(?P<digest>\d{1,10})\.py'
    r'|"?<ipython-input-(?P<count>\d{1,9})-[0-9a-f]+>)"?, line (?P<line>\d{1,9})'
)
HOOKS = "<notebook-ci>"  # the file of our own frames in a kernel
_PYTHON = "Traceback (most recent call last):\n"
_GROUP = "+ Exception Group Traceback (most recent call last):"

_HASH_SEED = 0xC70F6907  # of the digests in ipykernel's file names (`ipykernel/compiler.py`, 6.0 to 7.4)


@dataclass(frozen=True, slots=True)
class Location:
    execution_count: int  # identifies the cell
    line: int  # of the source in the notebook, counted from 1; 1 if the traceback does not tell


def locate(traceback: Sequence[str], executed: Mapping[int, str]) -> Location | None:
    """Find the innermost frame that is in a notebook cell; None if no frame is in an executed cell.

    For chained exceptions the last one counts, which was raised. IPython counts lines after removing leading blank
    lines (and the magic's line, for the body of a cell magic); this is corrected here.

    `traceback` is that of an error output, with or without colours. For an exception group, which IPython (since about
    8.39) writes to standard error instead, it is a list with that one text. `executed` are the sources of all executed
    cells by execution count, including the failed one (the highest).
    """
    if not executed:
        return None
    frames = _frames(traceback)
    digests = _digests(executed) if any(frame.digest for frame in frames) else {}
    located = (_located(frame, executed, digests) for frame in reversed(frames))
    return next((location for location in located if location), None)


def name_cells(text: str, executed: Mapping[int, str], names: Mapping[int, str]) -> str:
    """Return a text with the names of cells (`names`, by execution count) instead of their file names in Python."""
    digests = _digests(executed) if _file_line.search(text) else {}

    def named(found: re.Match[str]) -> str:
        location = _located(_frame({**found.groupdict(), "function": ""}, ""), executed, digests)
        return f"{names[location.execution_count]}, line {location.line}" if location else found[0]

    return _file_line.sub(named, text)


def strip_ansi(text: str) -> str:
    return _escape.sub("", text) if "\x1b" in text else text


def essence(traceback: Sequence[str], most_lines: int, limit_chars: int) -> str:
    """Return the traceback as text for people: all frames in the notebook, and library frames while there is room.

    pandas alone adds forty lines below the user's own. A line says where frames were left out. Frames in the notebook
    and messages are kept even beyond `most_lines`.
    """
    texts = [strip_ansi(text) for text in traceback if HOOKS not in text.partition("\n")[0]]
    sizes = [text.count("\n") + 1 for text in texts]
    kept = {index for index, text in enumerate(texts) if not _is_library_frame(text)}
    room = most_lines - sum(sizes[index] for index in kept)
    for index in reversed(range(len(texts))):
        if index not in kept and sizes[index] <= room:
            kept.add(index)
            room -= sizes[index]
    return shorten(_with_gaps(texts, sizes, kept), limit_chars)


def _is_library_frame(text: str) -> bool:
    first = text.partition("\n")[0]
    return bool(_library.match(first)) and not any(pattern.match(first) for pattern in _headers)


def _with_gaps(texts: Sequence[str], sizes: Sequence[int], kept: set[int]) -> Iterator[str]:
    for is_kept, run in itertools.groupby(range(len(texts)), lambda index: index in kept):
        indices = list(run)
        if is_kept:
            yield from (texts[index] for index in indices)
        else:
            left_out = sum(sizes[index] for index in indices)
            yield f"[... {left_out} lines of library code: see the executed notebook ...]\n"


def shorten(traceback: Iterable[str], limit_chars: int) -> str:
    """Return the traceback as text for people, without colours and with at most `limit_chars` (over 60) characters.

    A longer text keeps its beginning (a quarter) and its end, which has the message, cut at line ends if possible.
    Credentials are hidden before: half of one is not known as such.
    """
    text: str = masked(strip_ansi("\n".join(traceback)).strip("\n"))
    if len(text) <= limit_chars:
        return text
    note = f"\n[... {len(text)} characters in all, shortened ...]\n"
    room = limit_chars - len(note)
    head, tail = text[: room // 4], text[len(text) - (room - room // 4) :]
    if "\n" in head:
        head = head[: head.rindex("\n")]
    if "\n" in tail[: len(tail) // 2]:
        tail = tail[tail.index("\n") + 1 :]
    return head + note + tail


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame's parsed header, and the lines shown below it. Without count and digest it is the body of `%%time`."""

    count: int | None
    digest: str | None
    line: int | None
    function: str
    body: str


def _frames(traceback: Sequence[str]) -> list[_Frame]:
    """Return the frames in cells of the raised exception, outermost first."""
    frames: list[_Frame] = []
    in_frames = True
    for text in _texts(traceback):
        if text.strip() in _chained:
            frames, in_frames = [], True
            continue
        first, _, body = text.partition("\n")
        # Texts after a message (`ValueError: no`), such as its notes, are not frames.
        in_frames = in_frames and not _message.match(first)
        header = next((found for pattern in _headers if (found := pattern.match(first))), None)
        if in_frames and header:
            frames.append(_frame(header.groupdict(), body))
    return frames


def _frame(header: Mapping[str, str | None], body: str) -> _Frame:
    count, line = (int(text) if text else None for text in (header.get("count"), header["line"]))
    return _Frame(count, header.get("digest"), line, header["function"] or "", body)


def _texts(traceback: Sequence[str]) -> Iterator[str]:
    for text in map(strip_ansi, traceback):
        before, marker, group = text.rpartition(_GROUP)
        if marker and before.rpartition("\n")[2].strip() == "":
            # Python's own format is one text; the group's frames end where its exceptions begin.
            own = re.split(r"^\s*\+-\+-", group, maxsplit=1, flags=re.MULTILINE)[0]
            yield from (re.sub(r"^\s*\| ?", "", line) for line in own.split("\n"))
        elif _PYTHON in text:  # printed by an exception handler of the notebook
            yield from text.rpartition(_PYTHON)[2].split("\n")
        else:
            yield text


def _located(frame: _Frame, executed: Mapping[int, str], digests: Mapping[str, int]) -> Location | None:
    if frame.digest:
        count = digests.get(frame.digest)
    elif frame.count is not None:
        count = _counted(frame.count, executed)
    else:
        count = _timed(frame, executed)
    if count is None:
        return None
    lines = positions.split_lines(executed[count])
    line = _line(frame, lines)
    return Location(count, line) if 1 <= line <= len(lines) else None


def _counted(count: int, executed: Mapping[int, str]) -> int | None:
    last = max(executed)
    if count == last + 1 and executed[last].lstrip().startswith("%%"):
        return last  # IPython 9 counts the body of %%capture as a separate cell.
    return count if count in executed else None


def _timed(frame: _Frame, executed: Mapping[int, str]) -> int | None:
    """Return the running cell, except for a frame of a function, which an earlier `%%time` may have defined."""
    last = max(executed)
    top_level = not frame.function or frame.function.startswith(("<module>", "<cell line"))
    return last if top_level and executed[last].lstrip().startswith("%%time") else None


def _line(frame: _Frame, lines: list[str]) -> int:
    """Return the line in the cell, from the frame's line number if it has one, and from the source line shown."""
    starts = _starts(lines)
    if frame.count is None and frame.digest is None:
        return starts[0] + 1 if frame.line is None else starts[-1] + frame.line
    arrow = _arrow.search(frame.body)
    shown = (arrow[2] if arrow else frame.body.partition("\n")[0]).strip()
    same = [number for number, line in enumerate(lines, 1) if line.strip() == shown] if shown else []
    stated = frame.line or (int(arrow[1]) if arrow and arrow[1] else None)
    if stated is not None:
        possible = [start + stated for start in starts]
        return next((number for number in possible if number in same), possible[0])
    # IPython 8.0 to 8.4 give the line's text instead of its number in SyntaxErrors and in the mode Plain.
    statement = _cell_line.match(frame.function)
    if len(same) != 1 and statement:
        return starts[0] + int(statement[1])
    return same[0] if same else 1


def _starts(lines: list[str]) -> list[int]:
    """Return how many lines precede the first one that IPython counts: in the cell, and in its cell magic's body."""
    start = _first_code(lines, 0)
    if start < len(lines) and lines[start].startswith("%%"):
        return [start, _first_code(lines, start + 1)]
    return [start]


def _first_code(lines: list[str], at: int) -> int:
    return next((index for index in range(at, len(lines)) if lines[index].strip()), len(lines))


def _digests(executed: Mapping[int, str]) -> dict[str, int]:
    """Return which cell each file name of ipykernel 6 means; of equal cells, the one that ran last."""
    return {digest: count for count in sorted(executed) for digest in _file_names(executed[count])}


def _file_names(source: str) -> set[str]:
    """Return the possible file names of a cell with this source, and of the body of its cell magic."""
    codes = [source]
    if source.lstrip().startswith("%%"):
        body = source.lstrip().partition("\n")[2]
        codes.append(body if body.endswith("\n") else body + "\n")
    # ipykernel 6.0 to 6.4 took the low byte of each character, newer ones take UTF-8.
    encodings = (data for code in codes for data in (code.encode(errors="replace"), bytes(ord(c) & 0xFF for c in code)))
    return {str(_murmur2(data)) for data in encodings}


def _murmur2(data: bytes) -> int:
    """MurmurHash2 (Austin Appleby, public domain), 32 bits, with ipykernel's seed."""
    factor, mask = 0x5BD1E995, 0xFFFFFFFF
    value = _HASH_SEED ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        block = int.from_bytes(data[at : at + 4], "little") * factor & mask
        block = (block ^ block >> 24) * factor & mask
        value = value * factor & mask ^ block
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * factor & mask
    value = (value ^ value >> 13) * factor & mask
    return value ^ value >> 15
