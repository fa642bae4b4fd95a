"""Makes the components of a bill of materials from what is locked."""

from __future__ import annotations

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL

from sbom import locks


def pypi(package: locks.Package, inside: list[locks.Bundled], spdx: dict[str, str]) -> Component:
    """Return the component of a package, with what is inside it; its hashes are those of all its files."""
    return component(
        PackageURL("pypi", None, package.name, package.version),
        license_of(package.name, spdx),
        [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.sha256],
        components=[bundled(one) for one in inside if one.inside == f"{package.name}=={package.version}"],
    )


def bundled(one: locks.Bundled) -> Component:
    """Return the component of a program or library that a package contains."""
    return component(PackageURL("generic", None, one.name, one.version), one.license, cpe=one.cpe)


def jar(group: str, artifact: str, version: str, sha256: str, spdx: dict[str, str]) -> Component:
    """Return the component of a jar."""
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256)]
    return component(
        PackageURL("maven", group, artifact, version), license_of(f"{group}:{artifact}", spdx), hashes, group=group
    )


def image(name: str, tag: str, sha256: str | None) -> Component:
    """Return the component of a container image; without a digest it is not pinned."""
    path = name.split("/")
    version = f"sha256:{sha256}" if sha256 else tag
    url = PackageURL("docker", "/".join(path[:-1]) or None, path[-1], version, {"tag": tag} if sha256 else None)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []
    return component(url, None, hashes, kind=ComponentType.CONTAINER)


def own(name: str, version: str, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    """Return the component of one of our own distributions."""
    return component(PackageURL("pypi", None, name, version), "Apache-2.0", kind=kind)


def license_of(name: str, spdx: dict[str, str]) -> str:
    """Return the licence of a package. Raises ValueError for one that the table does not have."""
    if name not in spdx:
        raise ValueError(f"{name} has no licence in scripts/sbom/licenses.toml: add it as an SPDX expression")
    return spdx[name]


def component(
    url: PackageURL,
    spdx: str | None,
    hashes: list[HashType] | None = None,
    *,
    group: str | None = None,
    kind: ComponentType = ComponentType.LIBRARY,
    cpe: str | None = None,
    components: list[Component] | None = None,
) -> Component:
    """Return a component that its package URL names."""
    return Component(
        type=kind,
        name=url.name,
        group=group,
        version=url.version,
        bom_ref=url.to_string(),
        purl=url,
        licenses=[LicenseFactory().make_from_string(spdx)] if spdx else [],
        hashes=hashes or [],
        cpe=cpe,
        components=components or [],
    )
