"""What the code of cells names that may give other outputs in each run."""

from pathlib import Path

import pytest

from notebook_ci.compare.causes import causes
from notebook_ci.notebooks.document import Cell, Document


def document(*sources: str, language: str = "python") -> Document:
    cells = tuple(Cell(index, "code", source, frozenset()) for index, source in enumerate(sources))
    return Document(Path("a.ipynb"), "", cells, {"kernelspec": {"language": language}})


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["import random\nrandom.random()"], ["random"]),
        (["from random import shuffle as mix", "mix(x)"], ["random"]),
        (["import numpy as np", "x = np.random.rand(3)", "print(1)\nx"], ["random"]),
        (["import numpy as np", "y = np.random.rand(3)", "x"], []),
        (["import random", "def draw():\n    return random.random()", "draw()"], ["random"]),
        (["import numpy as np\nnp.random.seed(0)", "np.random.rand()"], []),
        (["import numpy as np, random\nnp.random.seed(0)", "np.random.rand(), random.random()"], ["random"]),
        (["import numpy as np", "np.random.default_rng().normal()"], ["random"]),
        (["import numpy as np", "np.random.default_rng(1).normal()"], []),
        (["from sklearn.ensemble import RandomForestClassifier as R", "m = R()", "m.score(x)"], ["random"]),
        (["from sklearn.ensemble import RandomForestClassifier as R", "m = R(random_state=1)", "m.score(x)"], []),
        (["df.sample(3)"], ["random"]),
        (["df.sample(3, random_state=1)"], []),
        (["import uuid\nuuid.uuid4()"], ["random"]),
        (["import time\ntime.time()"], ["time"]),
        (["import time\ntime.sleep(1)\nprint(x)"], []),
        (["from datetime import datetime", "%matplotlib inline\ndatetime.now()"], ["time"]),
        (["import datetime as dt\ndt.date.today()"], ["time"]),
        (["import requests as r\nr.get(url).text"], ["network"]),
        (["import pandas as pd\npd.read_csv('https://example.org/a.csv')"], ["network"]),
        (["import pandas as pd\npd.read_csv('a.csv')\nprint('https://example.org')"], []),
        (["from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor()"], ["concurrency"]),
        (["import time, random\nprint(time.time(), random.random())"], ["random", "time"]),
        (["import os\nos.getpid()"], []),
        (["import random", "%%bash\necho $RANDOM"], []),
        (["import random", "random.random( "], []),
        ([""], []),
    ],
)
def test_what_the_code_names(sources: list[str], expected: list[str]) -> None:
    assert causes(document(*sources), len(sources) - 1) == expected


def test_another_language_is_not_read_as_python() -> None:
    assert causes(document("import random\nrandom.random()", language="julia"), 0) == []


def test_cells_that_do_not_run_say_nothing() -> None:
    study = document("import random", "x = random.random()", "x")
    skipped = Cell(1, "code", study.cells[1].source, frozenset({"skip-execution"}))
    assert causes(study, 2) == ["random"]
    assert causes(Document(study.path, "", (study.cells[0], skipped, study.cells[2]), {}), 2) == []
