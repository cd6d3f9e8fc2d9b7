"""Stand-ins for the third-party actions that workflows of notebook-ci use.

The real ones are JavaScript programs that talk to GitHub's services; neither is to be had on a developer's machine.
Each stand-in has the inputs and outputs of the real action at the commit that is pinned (`harness.PINNED`) and does the
same work against folders of the test: caches are really stored, artifacts really uploaded.

`actions/<name>/action.yml` declares a JavaScript action, as the real one does, because only those have a `post` part.
What stands there as its file, e.g. `main: cache.restore`, names a function here: `restore` in `cache.py`. The harness
puts a program named `node` on the runner's PATH that runs this package (`__main__.py`).
"""
