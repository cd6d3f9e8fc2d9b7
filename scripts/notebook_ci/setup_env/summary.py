"""The summary of setup-env."""

from notebook_ci.base.markdown import code, count, folded, name, table
from notebook_ci.records.setup_env import SetupEnvRecord


def note(record: SetupEnvRecord) -> str:
    return f"Python {record.python_version}, {count(len(record.packages), 'package')}"


def section(record: SetupEnvRecord) -> list[str]:
    if not record.python_version:
        return []
    rows = [
        ["Python", f"{record.python_version} ({'reused' if record.reused else 'created'})"],
        ["lock file", name(record.lock_file)],
        ["packages", str(len(record.packages))],
        ["digest", f"`{record.env_digest[:16]}`"],
    ]
    rows += [["packages of conda", str(len(record.conda_packages))]] if record.conda_packages else []
    lines = [f"{package}=={version}" for package, version in record.packages.items()]
    lines += [f"{package} {version}" for package, version in record.conda_packages.items()]
    return [table(["environment", ""], rows), folded("Packages", code("\n".join(lines)))]
