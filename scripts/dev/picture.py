"""Takes the pictures in docs/: of the summary of a real run, rendered like on GitHub, and of its report.

Run `pipeline` on a copy of examples/penguins, with GITHUB_ACTIONS=true, and GITHUB_STEP_SUMMARY, GITHUB_OUTPUT and
RUNNER_TEMP set to absolute paths. With GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_SHA (the commit of the copy) and
GITHUB_RUN_ID it has links. For the pictures of a failed run, do it again with `max_iter` 5 in params.yaml and in the
notebook 02-train, and with `baseline` of report-run. Then, with the height of the picture in pixels:

    P="bash scripts/launch.sh --env execute-notebook --exec python scripts/dev/picture.py"
    $P green.md docs/summary-green.png 560
    $P red.md docs/summary.png 920
    $P green/notebook-ci/report-run/report.html docs/report-green.png 1260
    $P red/notebook-ci/report-run/report.html docs/report.png 1880

Needs `chromium` and an emoji font, such as Debian's fonts-noto-color-emoji.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import mistune

WIDTHS = {".md": 800, ".html": 1100}
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ font: 14px/1.5 "Noto Sans", "DejaVu Sans", sans-serif; color: #1f2328; margin: 16px; }}
h3 {{ font-size: 17px; margin: 0 0 14px; }} a {{ color: #0969da; }} p, table, pre {{ margin: 0 0 14px; }}
table {{ border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto; }}
th, td {{ border: 1px solid #d1d9e0; padding: 6px 13px; text-align: left; }}
tr:nth-child(even) {{ background: #f6f8fa; }}
code, pre {{ font: 12px/1.45 "DejaVu Sans Mono", monospace; background: #f6f8fa; padding: 2px 4px; }}
pre {{ padding: 12px; overflow: hidden; }} pre code {{ padding: 0; }}
</style>{}"""


def as_on_github(markdown: str) -> str:
    """Return a page that shows a summary."""
    return PAGE.format(mistune.create_markdown(escape=False, plugins=["table"])(markdown))


def main() -> None:
    source, output, height = Path(sys.argv[1]), Path(sys.argv[2]).absolute(), sys.argv[3]
    page = source.read_text(encoding="utf-8")
    if source.suffix == ".md":
        page = as_on_github(page)
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder) / "page.html"
        html.write_text(page, encoding="utf-8")
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
        own = (f"--user-data-dir={folder}/profile", f"--window-size={WIDTHS[source.suffix]},{height}")
        shot = ("chromium", *flags, *own, f"--screenshot={output}", html.as_uri())
        subprocess.run(shot, check=True, capture_output=True)


if __name__ == "__main__":
    main()
