"""A channel of conda, of real packages: the Python of these tests, and small ones that are made here."""

import hashlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from integration.index_server import digest
from integration.suite import ROOT, base_environ
from notebook_ci.base.conda import this_platform
from servers.files import FileServer

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"lib/python{VERSION}"
BLOCK = 128 * 1024
PLACEHOLDER = "/opt/placeholder_" + "x" * 200
# Parts of the standard library that no test needs.
LEFT_OUT = {
    "site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip",
    "pydoc_data", "distutils",
}  # fmt: skip
ACTIVATE = """\
echo "activating"
export GEO_DATA="$CONDA_PREFIX/share/geo"
export GEO_PATH="$CONDA_PREFIX/lib/geo${GEO_PATH:+:$GEO_PATH}"
"""


# `os._exit`, because rattler (0.28) sometimes crashes when Python ends.
INDEX = """
import asyncio, os, pathlib, sys, rattler.index
asyncio.run(rattler.index.index_fs(pathlib.Path(sys.argv[1])))
os._exit(0)
"""


@dataclass
class Package:
    """A package to be made: its files by path, as text, bytes, or a file to copy; a link has `-> `."""

    name: str
    version: str = "1.0"
    depends: Sequence[str] = ()
    files: Mapping[str, str | bytes | Path] = field(default_factory=dict)
    entry_points: Sequence[str] | None = None  # of a package for any Python (`noarch: python`)

    @property
    def subdir(self) -> str:
        return this_platform() if self.entry_points is None else "noarch"

    @property
    def file(self) -> str:
        return f"{self.subdir}/{self.name}-{self.version}-0.conda"

    def write(self, channel: Path) -> None:
        """Write it into a channel; the same content gives the same bytes."""
        paths: list[dict[str, object]] = []
        contents: dict[str, str | bytes] = {}
        for name, given in sorted(self.files.items()):
            entry: dict[str, object] = {"_path": name, "path_type": "hardlink"}
            if isinstance(given, str) and given.startswith("-> "):
                paths.append(entry | {"path_type": "softlink"})
                contents[name] = given
                continue
            data = (
                given.encode() if isinstance(given, str) else given if isinstance(given, bytes) else given.read_bytes()
            )
            if PLACEHOLDER.encode() in data:
                entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
            paths.append(entry | {"sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)})
            contents[name] = data
        times = {name: int(given.stat().st_mtime) for name, given in self.files.items() if isinstance(given, Path)}
        index = {"name": self.name, "version": self.version, "build": "0", "build_number": 0, "subdir": self.subdir}
        index |= {"depends": list(self.depends), "timestamp": 1700000000000}
        info = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
        if self.entry_points is not None:
            index["noarch"] = "python"
            link = {"type": "python", "entry_points": list(self.entry_points)}
            info["info/link.json"] = {"noarch": link, "package_metadata_version": 1}
        target = channel / self.file
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w") as archive:
            stem = target.stem
            archive.writestr(zipfile.ZipInfo("metadata.json"), '{"conda_pkg_format_version": 2}')
            archive.writestr(zipfile.ZipInfo(f"pkg-{stem}.tar.zst"), _stored(_tar(contents, times)))
            described = {name: json.dumps(value).encode() for name, value in info.items()}
            archive.writestr(zipfile.ZipInfo(f"info-{stem}.tar.zst"), _stored(_tar(described, {})))


def _tar(contents: Mapping[str, str | bytes], times: Mapping[str, int]) -> bytes:
    """Return an archive of files, and of links, whose content is text. Byte-code is valid for a time of its source."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.mtime = times.get(name, 0)
            member.mode = 0o755 if name.startswith("bin/") else 0o644
            if isinstance(data, str):
                member.type, member.linkname = tarfile.SYMTYPE, data.removeprefix("-> ")
                archive.addfile(member)
            else:
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _stored(data: bytes) -> bytes:
    """Return data in the format of Zstandard (RFC 8878), in raw blocks: compressing would take seconds."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    frame = [b"\x28\xb5\x2f\xfd\xe0", len(data).to_bytes(8, "little")]
    for index, block in enumerate(blocks):
        frame += [(len(block) << 3 | (index == len(blocks) - 1)).to_bytes(3, "little"), block]
    return b"".join(frame)


def python() -> Package:
    """The Python of these tests."""
    prefix = Path(sys.base_prefix)
    version = f"{VERSION}.{sys.version_info.micro}"
    program = Path(os.path.realpath(prefix / "bin" / f"python{VERSION}"))
    files: dict[str, str | bytes | Path] = {f"bin/python{VERSION}": program}
    files |= dict.fromkeys(("bin/python", "bin/python3"), f"-> python{VERSION}")
    shared = prefix / "lib" / str(sysconfig.get_config_var("INSTSONAME"))
    if shared.suffix != ".a" and shared.is_file():
        files[f"lib/{shared.name}"] = shared
    for folder, folders, names in os.walk(prefix / LIBRARY):
        folders[:] = [each for each in folders if each not in LEFT_OUT and not each.startswith("config-")]
        for path in (Path(folder, name) for name in names):
            if path.is_file() and not path.is_symlink() and ".opt-" not in path.name:
                files[path.relative_to(prefix).as_posix()] = path
    _undo_debian(files)
    return Package("python", version, files=files)


def _undo_debian(files: dict[str, str | bytes | Path]) -> None:
    """Let a Python of Debian use `site-packages`: it installs and looks in other folders."""
    files.pop(f"{LIBRARY}/EXTERNALLY-MANAGED", None)
    text = Path(sys.base_prefix, LIBRARY, "sysconfig.py").read_text()
    if "'posix_local'" in text:
        usual = text.replace("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'")
        files[f"{LIBRARY}/sysconfig.py"] = usual.encode()
        files[f"{LIBRARY}/dist-packages"] = "-> site-packages"


def kernel_of(python: Path) -> Package:
    """The packages of an environment of kernels, with their byte-code: to install them with uv takes seconds."""
    prefix = python.parents[1]
    installed = [path for path in (prefix / LIBRARY / "site-packages").rglob("*") if path.is_file()]
    # Not as of uv: setup-env would miss their programs.
    files = {path.relative_to(prefix).as_posix(): path for path in installed if path.name != "INSTALLER"}
    return Package("kernel", depends=["python"], files=files)


def small() -> Iterator[Package]:
    """Yield a package for any Python, a compiled one, and one with an activation script."""
    metadata = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n"
    for version in ("1.0", "2.0"):
        greet = f"def main():\n    print('hello {version}')\n"
        files = {"site-packages/greet.py": greet}
        info = f"site-packages/greet-{version}.dist-info"
        files[f"{info}/METADATA"] = metadata.format("greet").replace("1.0", version)
        files |= {f"{info}/INSTALLER": "conda", f"{info}/RECORD": "greet.py,sha256=other,1\n"}
        yield Package("greet", version, ["python"], files, entry_points=["greet = greet:main"])
    kernel = {"site-packages/ipykernel.py": "", "site-packages/ipykernel-1.0.dist-info/METADATA": metadata}
    kernel = {name: text.format("ipykernel") for name, text in kernel.items()}
    yield Package("ipykernel", "1.0", ["python"], kernel, entry_points=[])
    # A compiled module: another copy of one in the standard library.
    compiled = next(Path(sys.base_prefix, LIBRARY, "lib-dynload").glob("_json.*.so"))
    yield Package(
        "fastjson", "1.0", [f"python {VERSION}.*"], {f"{LIBRARY}/site-packages/fast/{compiled.name}": compiled}
    )
    geo = {"etc/conda/activate.d/geo.sh": ACTIVATE, "share/geo/where.txt": f"{PLACEHOLDER}/share/geo\n"}
    yield Package("geo", "1.0", [], geo)
    yield Package("needs-old", "1.0", ["greet <2"], {"share/needs-old.txt": "x"})


@dataclass(frozen=True)
class Channel:
    server: FileServer

    @property
    def url(self) -> str:
        return self.server.url

    def path(self, stem: str) -> Path:
        """Return a package in the channel, by its name, or by name and version: `greet-1.0`."""
        [found] = self.server.folder.glob(f"*/{stem}-*0.conda")
        return found

    def address(self, stem: str) -> str:
        return f"{self.url}/{self.path(stem).relative_to(self.server.folder).as_posix()}"

    def explicit(self, *stems: str) -> str:
        """Return a list of URLs."""
        lines = (f"{self.address(stem)}#{digest(self.path(stem), 'md5')}\n" for stem in stems)
        return f"# platform: {this_platform()}\n@EXPLICIT\n{''.join(lines)}"

    def conda_lock(self, stems: Iterable[str], wheel: Path, url: str, metadata: str = "") -> str:
        """Return a lock as conda-lock writes it, also of a wheel at a URL; a development package does not exist."""
        rows = [(path.stem.rsplit("-", 2), self.address(stem), path) for stem in stems for path in [self.path(stem)]]
        packages = [(name, version, "conda", url, digest(path), "main") for (name, version, _), url, path in rows]
        name, version = wheel.name.split("-")[:2]
        packages.append((name, version, "pip", url, digest(wheel), "main"))
        packages.append(("nope", "1.0", "conda", f"{self.url}/noarch/nope-1.0-0.conda", "f" * 64, "dev"))
        items = (
            f"- name: {name}\n  version: '{version}'\n  manager: {manager}\n  platform: {this_platform()}\n"
            f"  dependencies: {{}}\n  url: {url}\n  hash:\n    md5: {hashed[:32]}\n    sha256: {hashed}\n"
            f"  category: {category}\n"
            f"  optional: {'false' if category == 'main' else 'true'}\n"
            for name, version, manager, url, hashed, category in packages
        )
        channels = "  channels:\n  - url: local\n    used_env_vars: []\n"
        own = metadata or "  content_hash: {}\n  sources: []\n"
        return f"version: 1\nmetadata:\n{own}{channels}  platforms:\n  - {this_platform()}\npackage:\n{''.join(items)}"

    def pixi_lock(self, stems: Iterable[str], wheel: Path, url: str) -> str:
        """Return a lock as pixi writes it (version 6 of its format), also of a wheel at a URL."""
        urls = {self.address(stem): digest(self.path(stem)) for stem in stems}
        listed = "".join(f"      - conda: {each}\n" for each in urls)
        items = "".join(f"- conda: {each}\n  sha256: {hashed}\n" for each, hashed in urls.items())
        name, version = wheel.name.split("-")[:2]
        return (
            f"version: 6\nenvironments:\n  default:\n    channels:\n    - url: {self.url}/\n    packages:\n"
            f"      {this_platform()}:\n{listed}      - pypi: {url}\npackages:\n{items}"
            f"- pypi: {url}\n  name: {name}\n  version: '{version}'\n  sha256: {digest(wheel)}\n"
        )


def make(folder: Path, packages: Iterable[Package]) -> Path:
    """Make the files of a channel of Python and other packages. It is also its own channel `local`."""
    for package in (python(), *packages):
        package.write(folder)
    launch: list[str | Path] = ["/bin/bash", ROOT / "scripts" / "launch.sh", "--env", "conda", "--exec", "python", "-c"]
    env = {"HOME": str(Path.home()), **base_environ()}
    subprocess.run([*launch, INDEX, folder], env=env, check=True, capture_output=True)
    (folder / "local").symlink_to(".")
    return folder
