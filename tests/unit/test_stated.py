"""The requirements that notebooks name: `%pip install`, PEP 723."""

import pytest

from notebook_ci.notebooks import stated
from unit.test_imports_read import made

COMMANDS = [
    ("%pip install pandas", ["pandas"]),
    (
        "!pip install -q --upgrade 'pandas<3' \"numpy >= 2\" torch[cpu,x]==2.1",
        ["pandas<3", "numpy >= 2", "torch[cpu,x]==2.1"],
    ),
    ("!{sys.executable} -m pip -q install pandas", ["pandas"]),
    ("!pip3 install -r requirements.txt -c c.txt --index-url https://host pandas -i x scipy", ["pandas", "scipy"]),
    ("!pip install pandas && echo done", ["pandas"]),
    ("!pip install pandas > log.txt", ["pandas"]),
    ("!pip install pandas # for plots", ["pandas"]),
    ("!pip install . ./x git+https://host/x.git https://host/x.whl {package} $package -e .", []),
    ("!pip install 'unclosed pandas", []),
    ("!pip install pandas; echo done", ["pandas"]),
    ("%%bash\nfor x in a b; do pip install $x; done", []),
    ("!uv pip install pandas \\", ["pandas"]),
    ("!cd x && MAKE=1 pip3.12 install 'pandas>=1,<3; python_version > \"3\"'", ['pandas>=1,<3; python_version > "3"']),
    ("!conda install -y -c conda-forge pandas=2.1 numpy>=2 python=3.9", ["pandas==2.1.*", "numpy>=2"]),
    ("%mamba install pandas", ["pandas"]),
    ("%%bash\npip install pandas\npip uninstall scipy", ["pandas"]),
    ("# !pip install pandas", []),
    ("!pip list", []),
    ("!apt-get install python3-pandas", []),
    ("pip install pandas", ["pandas"]),  # IPython's automagic
    # Texts for people, and what would be an option.
    ("raise ImportError('please run pip install pandas, then restart the kernel')", []),
    ('print("Run !pip install pandas and restart")', []),
    ('"""Needs pip install pandas and scipy"""', []),
    ("!pip install 'pandas>=1 --index-url http://me:secret@host'", []),
    ("!pip install 'pandas; python_version > \"3\" --find-links http://host/x'", []),
]


@pytest.mark.parametrize(("source", "expected"), COMMANDS)
def test_commands_that_install(source: str, expected: list[str]) -> None:
    assert [each.text for each in stated.of(made(source))] == expected


METADATA = """# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "Scikit_Learn>=1.4",
#   "x>=1\\n--index-url=https://host",
#   7,
# ]
#
# ///
import x"""


def test_pep_723_metadata() -> None:
    document = made("import os", METADATA)
    found = list(stated.of(document))
    assert [(each.text, each.name, each.cell.index) for each in found] == [("Scikit_Learn>=1.4", "scikit-learn", 1)]
    assert stated.requires_python(document) == ">=3.11"


@pytest.mark.parametrize(
    "source",
    [
        "# /// script\n# dependencies = [\n# ///",
        "# /// script\n# dependencies = 'x'\n# ///",
        METADATA.replace("script", "other"),
        "x = 1",
    ],
)
def test_what_is_no_metadata_is_ignored(source: str) -> None:
    assert list(stated.of(made(source))) == []
    assert stated.requires_python(made(source)) == ""
