"""Describes an environment as a software bill of materials: CycloneDX 1.6."""

import json
from collections.abc import Iterable

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from notebook_ci import VERSION
from notebook_ci.setup_env.contents import Package
from notebook_ci.setup_env.uv import Installed


def describe(name: str, installed: Installed, packages: Iterable[Package]) -> object:
    """Return the bill as JSON; `name` is what uses the environment."""
    bom, licenses = Bom(), LicenseFactory()
    bom.metadata.tools.components.add(Component(type=ComponentType.APPLICATION, name="notebook-ci", version=VERSION))
    bom.metadata.component = root = Component(type=ComponentType.APPLICATION, name=name, bom_ref="environment")
    bom.components.update(_component(each, licenses) for each in packages)
    if not installed.conda:  # else it is one of the packages
        python, version = installed.implementation.lower(), installed.version
        purl = PackageURL("generic", name=python, version=version)
        bom.components.add(Component(type=ComponentType.PLATFORM, name=python, version=version, purl=purl))
    bom.register_dependency(root, bom.components)
    return json.loads(JsonV1Dot6(bom).output_as_string())


def _component(package: Package, licenses: LicenseFactory) -> Component:
    declared = LicenseAcknowledgement.DECLARED
    kind = ExternalReferenceType.VCS if package.origin == "git" else ExternalReferenceType.DISTRIBUTION
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        purl=_purl(package),
        bom_ref=f"{package.origin}:{package.name}",
        licenses=[licenses.make_from_string(each, license_acknowledgement=declared) for each in package.licenses],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)] if package.sha256 else [],
        external_references=[ExternalReference(type=kind, url=XsUri(package.url))] if "://" in package.url else [],
    )


def _purl(package: Package) -> PackageURL | None:
    """Return the address that databases of vulnerabilities know a package by; None for code of the repository."""
    qualifiers: dict[str, str] = {}
    match package.origin:
        case "path":
            return None
        case "git":
            qualifiers = {"vcs_url": f"git+{package.url}@{package.commit}"}
        case "url":
            qualifiers = {"download_url": package.url}
        case "conda":
            suffix = "conda" if package.url.endswith(".conda") else "tar.bz2"
            channel = package.channel.rstrip("/").rpartition("/")[2]
            qualifiers = {"build": package.build, "channel": channel, "subdir": package.subdir, "type": suffix}
    kind = "conda" if package.origin == "conda" else "pypi"
    return PackageURL(kind, name=package.name, version=package.version, qualifiers=qualifiers)
