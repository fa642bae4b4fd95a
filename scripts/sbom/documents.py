"""Makes the documents: what the image has, what one machine has, and which images the containers start from."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6

from sbom import components, locks


def documents() -> dict[str, str]:
    """Return the text of each document by the name of its file."""
    image, local, containers = image_bom(), local_bom(), containers_bom()
    return {f"{name}.cdx.json": text(bom) for name, bom in (("image", image), ("local", local), ("images", containers))}


def image_bom() -> Bom:
    """Return what the image of the services holds above its base."""
    return distribution(locks.packages(locks.ROOT / "deploy/image/core.lock"), jars("swagger-ui"))


def local_bom() -> Bom:
    """Return what comes onto a machine: every extra, and the jars, with those of `ordermesh up --observe`."""
    made = [jar for name in locks.JAR_SETS for jar in jars(name)]
    return distribution(locks.packages(locks.ROOT / "requirements.lock"), made)


def jars(name: str) -> list[Component]:
    """Return the components of a set of jars."""
    spdx = locks.licenses()["maven"]
    return [components.jar(*jar, spdx) for jar in locks.jars(name)]


def containers_bom() -> Bom:
    """Return the images that the Dockerfile and docker-compose.yml start from."""
    bom = Bom(components=[components.image(*image) for image in locks.images()])
    bom.metadata.component = platform()
    bom.register_dependency(bom.metadata.component, bom.components)
    return bom


def distribution(packages: list[locks.Package], more: list[Component]) -> Bom:
    """Return our distributions with these packages, and how they depend on each other."""
    spdx, inside = locks.licenses()["pypi"], locks.bundled()
    made = [components.pypi(package, inside, spdx) for package in packages]
    more = [components.own("ordermesh-contracts", version("gen")), *more]
    root = platform()
    bom = Bom(components=[*made, *more])
    bom.metadata.component = root
    required = required_by()
    bom.register_dependency(root, [*(one for one in made if "ordermesh" in required[one.name]), *more])
    for one in made:
        bom.register_dependency(one, [other for other in made if one.name in required[other.name]])
    return bom


def required_by() -> dict[str, set[str]]:
    """Return which packages require a package; `ordermesh` stands for pyproject.toml."""
    known: dict[str, set[str]] = {}
    for package in locks.packages(locks.ROOT / "requirements.lock"):
        known.setdefault(package.name, set()).update(package.required_by)
    return known


def platform() -> Component:
    """Return the platform itself, which every document is about."""
    return components.own("ordermesh", version("."), ComponentType.APPLICATION)


def version(folder: str) -> str:
    """Return the version of our distribution in a folder."""
    return str(tomllib.loads((locks.ROOT / folder / "pyproject.toml").read_text())["project"]["version"])


def text(bom: Bom) -> str:
    """Return a document without what differs from run to run: a time and a random serial number."""
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
