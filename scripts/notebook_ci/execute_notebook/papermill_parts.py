"""What is used of papermill, which is imported here alone."""

import sys

from notebook_ci.base.loading import loading

with loading("requests"):  # papermill 2.7 reads URLs with it; a seventh of the CPU time of a short run
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NotebookExecutionManager
    from papermill.parameterize import parameterize_notebook
    from papermill.translators import translate_parameters

del sys.modules["requests"]  # or it could be loaded after a notebook has written it

__all__ = ["NotebookExecutionManager", "PapermillNotebookClient", "parameterize_notebook", "translate_parameters"]
