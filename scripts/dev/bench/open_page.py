"""Uses the page of the run in the current folder as a person does, in Chromium, and says how smooth it is."""

import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3] / name) for name in ("scripts", "tests")]

from servers.browser import browser

MOST = 200  # milliseconds of a task
WATCH = """
window.tasks = [0]
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)))
  .observe({type: "longtask", buffered: true})
"""
# Returns how many notebooks there are, and how long the longest task took: to load, to search by each key, to open
# notebooks, to scroll through all.
USE = """(async () => {
  const frame = () => new Promise(requestAnimationFrame), notebooks = [...document.querySelectorAll("[data-status]")]
  const search = document.querySelector("[type=search]"), root = document.documentElement
  for (search.value of ["v", "va", "val", "valu", "value", "no such word", ""]) {
    search.dispatchEvent(new Event("input"))
    await frame()
  }
  for (const each of [notebooks[0], notebooks.at(-1)]) {
    each.querySelector("summary").click()
    await frame()
  }
  for (scrollTo(0, 0); scrollY + innerHeight < root.scrollHeight - 1; scrollBy(0, 200)) await frame()
  await new Promise((resolve) => setTimeout(resolve, 100))
  return [notebooks.length, Math.round(Math.max(...tasks))]
})()"""

[page] = Path().glob(".notebook-ci/runs/*/report.html")
with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as chromium, chromium.session() as session:
    session.ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    session.load(chromium.serve(page.read_text(encoding="utf-8")))
    count, longest = session.run(USE)
print(f"{count} notebooks shown, all smooth" if longest <= MOST else f"The longest task took {longest} ms")
