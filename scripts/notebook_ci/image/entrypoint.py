"""The program of a generated image: papermill, with a sentence instead of a traceback where it cannot write.

It is copied into the image, and runs there by papermill's own Python, 3.9 or newer.
"""

import os
import sys
import tempfile

TEMPORARY = "give it a folder for temporary files: `docker run --read-only --tmpfs /tmp ...`"
OUTPUT = "name an output in a folder that is mounted and can be written: `docker run -v FOLDER:/out ...`"


def main() -> int:
    """Run papermill with the arguments of the container."""
    try:
        temporary = tempfile.gettempdir()
    except FileNotFoundError:
        return _refuse("this container has no folder that can be written", TEMPORARY)
    if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - there may be no home at all
        os.environ["HOME"] = temporary  # where Jupyter keeps what belongs to a running kernel
    from papermill.__main__ import papermill

    try:
        papermill(prog_name="papermill")
    except OSError as error:
        return _refuse(f"{error.filename or 'a file'} cannot be used ({error.strerror})", OUTPUT)
    return 0


def _refuse(what: str, hint: str) -> int:
    sys.stderr.write(f"\npapermill cannot run: {what}; {hint}\n")  # on its own line, behind a progress bar
    return 3


if __name__ == "__main__":
    sys.exit(main())
