"""Renews docs/summary.png: the summary of a real run, rendered like on GitHub.

Run `pipeline` on a copy of examples/penguins with `max_iter: 5` in params.yaml, GITHUB_ACTIONS=true, and
GITHUB_STEP_SUMMARY, GITHUB_OUTPUT and RUNNER_TEMP set to absolute paths. With GITHUB_SERVER_URL, GITHUB_REPOSITORY,
GITHUB_SHA (the commit of the copy) and GITHUB_RUN_ID it has links. Then:

    bash scripts/launch.sh --env execute-notebook --exec python scripts/dev/picture.py summary.md

Needs `chromium` and an emoji font, such as Debian's fonts-noto-color-emoji.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import mistune

OUTPUT = Path(__file__).resolve().parents[2] / "docs" / "summary.png"
SIZE = "800,920"  # of the window, in pixels
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ font: 14px/1.5 "Noto Sans", "DejaVu Sans", sans-serif; color: #1f2328; margin: 16px; }}
h3 {{ font-size: 17px; margin: 0 0 14px; }} a {{ color: #0969da; }} p, table, pre {{ margin: 0 0 14px; }}
table {{ border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto; }}
th, td {{ border: 1px solid #d1d9e0; padding: 6px 13px; text-align: left; }}
tr:nth-child(even) {{ background: #f6f8fa; }}
code, pre {{ font: 12px/1.45 "DejaVu Sans Mono", monospace; background: #f6f8fa; padding: 2px 4px; }}
pre {{ padding: 12px; overflow: hidden; }} pre code {{ padding: 0; }}
</style>{}"""


def main() -> None:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    page = PAGE.format(mistune.create_markdown(escape=False, plugins=["table"])(text))
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder) / "summary.html"
        html.write_text(page, encoding="utf-8")
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
        profile = f"--user-data-dir={folder}/profile"
        shot = ("chromium", *flags, profile, f"--window-size={SIZE}", f"--screenshot={OUTPUT}", html.as_uri())
        subprocess.run(shot, check=True, capture_output=True)


if __name__ == "__main__":
    main()
