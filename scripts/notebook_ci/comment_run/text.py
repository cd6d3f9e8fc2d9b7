"""The text of a comment, from the records of a run. A stranger may have written them: see `harmless`."""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from notebook_ci.base import markdown
from notebook_ci.base.errors import Failed, InputError
from notebook_ci.base.markdown import ICONS, bounded, folded, inline
from notebook_ci.base.masking import masked
from notebook_ci.comment_run.event import Target
from notebook_ci.records.record import Record
from notebook_ci.summary.links import Links, address_of
from notebook_ci.summary.of_run import brief, every_failure

MOST_BYTES = 50_000  # GitHub's limit is 65,536 characters, also of the hidden line
CUT = "\n\n_Cut here: GitHub shows no more. The summary of the run has the rest._\n"
OUTDATED = "> ⏳ **Outdated**: "
UNRECORDED = "a job or a step failed or was cancelled, and left no record. See its log"
# Code, and escaped characters: an escaped backtick begins none, and one after an escaped backslash does.
_CODE = re.compile(r"(?ms)^(`{3,})text\n.*?\n\1$|`[^`\n]+`|\\.")
_REFERENCE = re.compile(r"(?<=#)(?=\d)|(?<=@)(?=\w)|(?<=\bGH-)(?=\d)|(?<=www)(?=\.)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run left."""

    records: Sequence[Record] = ()
    error: InputError | None = None  # why its records cannot be used

    @property
    def failed(self) -> list[Failed]:
        return [failed for _, failed in every_failure(self.records)]

    def conclusion(self, result: str) -> str:
        """Return the conclusion of a check: the worse one of the records and of the job."""
        return "failure" if self.error or self.failed else result


def outdated(body: str, target: Target) -> str:
    """Return the text of an earlier run's comment, with a first line that says so."""
    text = body.partition("\n")[2]
    if text.startswith(OUTDATED):
        text = text.partition("\n")[2].lstrip("\n")
    return f"{OUTDATED}{_run(target)} is under way.\n\n{text}"


def write(target: Target, results: Results, *, changed: str, report: str, slug: str) -> str:
    """Return the text: a headline, what has changed, failures, a table of stages, metrics, links."""
    parts = [
        *_parts(target, results, changed),
        " · ".join(_footer(target, report, slug)),
    ]
    text = str(masked("\n\n".join(filter(None, parts)) + "\n"))  # before addresses are broken up
    return bounded(harmless(text, target.url), MOST_BYTES, CUT)


def _parts(target: Target, results: Results, changed: str) -> list[str]:
    if results.error:
        return [f"### {ICONS['error']} The results of this run cannot be shown", inline(results.error.message)]
    unrecorded = "" if target.result in {"success", "skipped"} else UNRECORDED
    if not results.records:
        return [f"### {ICONS['error']} failed: {unrecorded}" if unrecorded else f"### {ICONS['skipped']} nothing ran"]
    found = brief(results.records, results.records, _links(target, results), unrecorded=unrecorded)
    first, *others = found.failures
    more = "\n\n".join(filter(None, others))
    return [
        found.headline,
        f"**Since the run before**: {changed}" if changed else "",
        first,
        folded("More failures", more),
        found.stages,
        folded("Metrics", found.metrics),
    ]


def _footer(target: Target, report: str, slug: str) -> list[str]:
    fork = "from a fork, whose code wrote these results" if target.is_from_fork else ""
    shown = markdown.link("report", report) if report else ""
    return list(
        filter(None, [_run(target), f"commit `{target.sha[:12]}`", markdown.name(slug) if slug else "", shown, fork])
    )


def _run(target: Target) -> str:
    attempt = f", attempt {target.attempt}" if target.attempt > 1 else ""
    return markdown.link(f"{inline(target.workflow)}, run {target.run}{attempt}", target.run_url)


def _links(target: Target, results: Results) -> Links:
    """Return links to the failing lines, in the commit that ran. None if the records are of several folders."""
    folders = {record.source.get("directory", "") for record in results.records}
    files = {failed.file for failed in results.failed if failed.file}
    paths = {file: posixpath.normpath(posixpath.join(*folders, file)) for file in files} if len(folders) == 1 else {}
    source = {"system": "github", "url": target.url, "commit": target.commit}
    inside = {file: path for file, path in paths.items() if not path.startswith(("/", ".."))}
    return Links({file: address_of(source, path) for file, path in inside.items()})


def harmless(text: str, url: str) -> str:
    """Return Markdown that notifies nobody, and links only to runs and files of the repository at `url`.

    Names and messages are escaped already: they contain no Markdown, HTML or image. GitHub also makes links of
    addresses, `@name`, `#1` and `GH-1`, and tells the other end: a zero-width space prevents it. Code is left as it is.
    """
    own = re.compile(rf"://(?!{re.escape(url.partition('://')[2])}/(?:actions/runs|blob)/)")
    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces += [_quiet(text[end : code.start()], own), code[0]]
        end = code.end()
    return "".join([*pieces, _quiet(text[end:], own)])


def _quiet(text: str, foreign: re.Pattern[str]) -> str:
    return _REFERENCE.sub("\u200b", foreign.sub(":\u200b//", text))
