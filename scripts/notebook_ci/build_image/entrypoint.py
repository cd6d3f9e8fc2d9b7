"""The program of a generated image. Runs in papermill's Python there (3.9 or newer), and explains write errors."""

import os
import sys
import tempfile

HINT = "Mount writable folders: `docker run --tmpfs /tmp -v FOLDER:/out ...`, with the output in /out."


def main() -> int:
    from papermill.__main__ import papermill

    try:
        if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - there may be no home
            os.environ["HOME"] = tempfile.gettempdir()  # Jupyter keeps files of running kernels there
        papermill(prog_name="papermill")
    except OSError as error:
        sys.stderr.write(f"\npapermill cannot run: {error}. {HINT}\n")  # on its own line, after a progress bar
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
