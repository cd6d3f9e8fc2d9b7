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
    ("!pip install 'unclosed pandas", ["pandas"]),
    ("!conda install -y -c conda-forge pandas=2.1 numpy>=2 scipy", ["pandas==2.1.*", "numpy>=2", "scipy"]),
    ("%mamba install pandas", ["pandas"]),
    ("%%bash\npip install pandas\npip uninstall scipy", ["pandas"]),
    ("# !pip install pandas", []),
    ("!pip list", []),
    ("!apt-get install python3-pandas", []),
    ("pip install pandas", ["pandas"]),  # IPython's automagic
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
