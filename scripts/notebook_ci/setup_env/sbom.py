"""Describes an environment as a software bill of materials: CycloneDX 1.6."""

import json
from collections.abc import Iterable

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from notebook_ci.setup_env.contents import Package


def describe(name: str, packages: Iterable[Package]) -> object:
    """Return the bill as JSON. `name` is what uses the environment."""
    bom = Bom(components=map(_component, packages))
    bom.metadata.component = Component(type=ComponentType.APPLICATION, name=name)
    bom.register_dependency(bom.metadata.component, bom.components)
    return json.loads(JsonV1Dot6(bom).output_as_string())


def _component(package: Package) -> Component:
    name, version, origin, url = (str(package.get(each, "")) for each in ("name", "version", "origin", "url"))
    qualifiers = {
        "git": {"vcs_url": f"git+{url}@{package.get('commit')}"},
        "url": {"download_url": url},
        "conda": {
            **{each: package.get(each) for each in ("build", "subdir")},
            "channel": package.get("channel", "").rstrip("/").rpartition("/")[2],
            "type": "conda" if url.endswith(".conda") else "tar.bz2",
        },
    }
    kind = {"conda": "conda", "python": "generic"}.get(origin, "pypi")
    purl = PackageURL(kind, name=name, version=version, qualifiers=qualifiers.get(origin))
    return Component(
        name=name,
        version=version,
        purl=None if origin == "path" else purl,  # nobody else knows the code of the repository
        bom_ref=f"{origin}:{name}",
        licenses=map(LicenseFactory().make_from_string, package.get("licenses", ())),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package["sha256"])] if "sha256" in package else [],
    )
