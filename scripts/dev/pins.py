"""Updates the pins of actions: `uses: owner/name@<commit> # vX.Y.Z` in workflows, actions, templates and READMEs.

    launch.sh --env dev --exec python scripts/dev/pins.py

Each pin becomes the newest release of its action, as listed by `git ls-remote`.
"""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from notebook_ci.base.errors import NotebookCiError, SurroundingsError

FILES = ("*.yml", "*.md")
_PIN = re.compile(r"(?<=uses: )([\w.-]+/[\w.-]+)((?:/[\w.-]+)*)@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# A moving tag (`v6`) and a pre-release (`v6.0.0-beta`) are not releases. `^{}`: the commit of an annotated tag.
_RELEASE = re.compile(r"([0-9a-f]{40})\trefs/tags/v(\d+)\.(\d+)\.(\d+)(?:\^\{\})?$", re.MULTILINE)


def newest(repository: str) -> str:
    """Ask GitHub for the newest release of `owner/name`. Return its pin, or raise SurroundingsError if it has none."""
    command = ["git", "ls-remote", "--tags", f"https://github.com/{repository}"]
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}  # GitHub asks for a password if the repository is unknown
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    # git lists an annotated tag before its commit: the commit replaces it here.
    found = {tuple(map(int, parts)): commit for commit, *parts in _RELEASE.findall(done.stdout)}
    if done.returncode or not found:
        raise SurroundingsError(
            f"The releases of {repository} could not be read: {done.stderr.strip() or 'it has no release'}",
            hint="Check the network (variable `HTTPS_PROXY`) and the name, then run `make pins` again.",
        )
    version = max(found)
    return f"{found[version]} # v{'.'.join(map(str, version))}"


def tracked(root: Path, *patterns: str) -> list[Path]:
    """Return the files of a repository that match one of git's patterns, also files that are not committed yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def renew(root: Path) -> list[Path]:
    """Update all pins of a repository, or none if a release is unknown. Return the changed files."""
    asked_once = cache(newest)
    changed = {}
    for path in tracked(root, *FILES):
        text = path.read_text(encoding="utf-8")
        if (new := _PIN.sub(lambda pin: f"{pin[1]}{pin[2]}@{asked_once(pin[1])}", text)) != text:
            changed[path] = new
    for path, new in changed.items():
        path.write_text(new, encoding="utf-8")
    return list(changed)


def main() -> int:
    """Update the pins of this repository. The exit code is 3 if that fails."""
    try:
        changed = renew(ROOT)
    except NotebookCiError as error:
        print(f"error: {error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    for path in changed:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
