"""Stands in for actions/upload-artifact 7.0.1 and actions/download-artifact 8.0.1.

The artifacts of a workflow run are folders in $HARNESS_ARTIFACTS, named as the artifacts. As with the real ones: a name
can be used once a run; hidden files stay out unless asked for; the files' modes are lost; the root of an artifact is
the deepest folder that all patterns have in common.
"""

import fnmatch
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from standins import toolkit


def upload() -> None:
    """`actions/upload-artifact`."""
    files = _files_to_upload()
    if not files:
        _nothing_found()
        return
    name = toolkit.text("name")
    root = _root(files)
    if not toolkit.flag("archive"):
        if len(files) > 1:
            raise toolkit.StandinError(
                f"When 'archive' is set to false, only a single file can be uploaded. Found {len(files)}."
            )
        name, root = files[0].name, files[0].parent
    _check_name(name)
    _store(name, files, root)
    print(f"Artifact {name} with {len(files)} files has been uploaded: {_identifier(name)}")
    toolkit.set_output("artifact-id", _identifier(name))
    repository = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    run = f"{repository}/actions/runs/{os.environ['GITHUB_RUN_ID']}"
    toolkit.set_output("artifact-url", f"{run}/artifacts/{_identifier(name)}")
    toolkit.set_output("artifact-digest", _digest(_storage() / name))


def download() -> None:
    """`actions/download-artifact`."""
    target = Path(toolkit.absolute(toolkit.text("path") or "."))
    name = toolkit.text("name")
    chosen = _artifacts_to_download(name)
    # With exactly one match there is no folder named like the artifact: true of the real action since version 5.
    flat = bool(name) or toolkit.flag("merge-multiple") or len(chosen) == 1
    for artifact in chosen:
        toolkit.copy_tree(artifact, target if flat else target / artifact.name)
    print(f"Total of {len(chosen)} artifact(s) downloaded")
    toolkit.set_output("download-path", target)


def _artifacts_to_download(name: str) -> list[Path]:
    there = sorted(path for path in _storage_of_run().glob("*") if not path.name.startswith("."))
    identifiers = [part.strip() for part in toolkit.text("artifact-ids").split(",") if part.strip()]
    if name and identifiers:
        raise toolkit.StandinError("Inputs 'name' and 'artifact-ids' cannot be used together.")
    if name:
        chosen = [path for path in there if path.name == name]
        if not chosen:
            raise toolkit.StandinError(f"Unable to download artifact(s): Artifact '{name}' not found")
        return chosen
    if identifiers:
        chosen = [path for path in there if str(_identifier(path.name)) in identifiers]
        if not chosen:
            raise toolkit.StandinError("Unable to download artifact(s): None of the artifact IDs were found")
        return chosen
    pattern = toolkit.text("pattern") or "*"
    return [path for path in there if fnmatch.fnmatchcase(path.name, pattern)]


def _files_to_upload() -> list[Path]:
    """The files that the lines of `path` name; a folder stands for all in it; a line with `!` takes away again."""
    chosen: dict[Path, None] = {}
    for line in _patterns():
        pattern = toolkit.absolute(line.removeprefix("!").strip())
        for match in toolkit.find(pattern):
            for file in _files_below(match):
                if line.startswith("!"):
                    chosen.pop(file, None)
                else:
                    chosen[file] = None
    if toolkit.flag("include-hidden-files"):
        return list(chosen)
    roots = _search_paths()
    return [file for file in chosen if not _is_hidden(file, roots)]


def _patterns() -> list[str]:
    return [line for line in toolkit.lines("path") if not line.startswith("#")]


def _files_below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if path.exists():  # a broken link is left out
            yield path
        return
    for folder, _, names in os.walk(path, followlinks=True):
        yield from (Path(folder) / name for name in sorted(names) if (Path(folder) / name).exists())


def _is_hidden(file: Path, roots: list[Path]) -> bool:
    """Whether the file, or a folder between it and where the search began, has a name with a leading dot."""
    root = max((root for root in roots if file.is_relative_to(root)), key=lambda root: len(root.parts))
    parts = file.relative_to(root).parts or (file.name,)
    return any(part.startswith(".") for part in parts)


def _search_paths() -> list[Path]:
    """Where the search for each pattern begins: its part before the first wildcard; none inside another."""
    starts: list[Path] = []
    for line in _patterns():
        if not line.startswith("!"):
            parts = Path(toolkit.absolute(line)).parts
            fixed = next((index for index, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
            starts.append(Path(*parts[:fixed]))
    return [
        start
        for index, start in enumerate(starts)
        if start not in starts[:index] and not any(start != other and start.is_relative_to(other) for other in starts)
    ]


def _root(files: list[Path]) -> Path:
    starts = _search_paths()
    if len(starts) > 1:
        return Path(os.path.commonpath(starts))
    return files[0].parent if files == starts else starts[0]


def _nothing_found() -> None:
    message = f"No files were found with the provided path: {toolkit.text('path')}. No artifacts will be uploaded."
    match toolkit.text("if-no-files-found") or "warn":
        case "error":
            raise toolkit.StandinError(message)
        case "warn":
            toolkit.command("warning", message)
        case _:
            print(message)


def _check_name(name: str) -> None:
    if bad := re.search(r'["<>|*?:\r\n\\/]', name):
        raise toolkit.StandinError(f"The artifact name is not valid: {name}. Contains the character: {bad[0]!r}")


def _store(name: str, files: list[Path], root: Path) -> None:
    _storage().mkdir(parents=True, exist_ok=True)
    if toolkit.flag("overwrite"):
        shutil.rmtree(_storage() / name, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=_storage(), prefix=".uploading-") as scratch:
        artifact = Path(scratch) / "artifact"
        for file in files:
            target = artifact / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)  # not the mode: a ZIP archive made by the real action has none
        try:
            artifact.rename(_storage() / name)
        except OSError:
            raise toolkit.StandinError(
                "Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: "
                f"an artifact with this name already exists on the workflow run: {name}"
            ) from None


def _storage() -> Path:
    return Path(os.environ["HARNESS_ARTIFACTS"])


def _storage_of_run() -> Path:
    """The artifacts of the run that the step names; the real action needs a token for those of another run."""
    run = toolkit.text("run-id")
    if run == os.environ["GITHUB_RUN_ID"] or not toolkit.text("github-token"):
        return _storage()
    return _storage().parent / run


def _identifier(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)


def _digest(folder: Path) -> str:
    content = hashlib.sha256()
    for file in sorted(_files_below(folder)):
        content.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return content.hexdigest()
