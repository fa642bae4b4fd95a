"""A field that is added to a public message is in everything that depends on the contracts, by hand or generated."""

import ast
import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ordermesh
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "proto"))

from contract_reader import camel_case  # noqa: E402  a module of proto/, which is no package

GENERATED = Path(next(iter(ordermesh.__path__)))
DESCRIPTORS = FileDescriptorSet.FromString((GENERATED / "descriptor.binpb").read_bytes())
PUBLIC = [file for file in DESCRIPTORS.file if file.package.startswith("ordermesh.")]
OPENAPI = json.loads((GENERATED / "openapi.json").read_text())
TYPESCRIPT = ROOT / "clients" / "typescript" / "src" / "gen"
REFERENCE = ROOT / "docs" / "reference" / "contracts.md"
CALLS = ROOT / "clients" / "python" / "ordermesh_client" / "calls.py"
# The client for Python sets it when it turns pages.
SET_ELSEWHERE = {"page_token"}


def messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """Yield the messages of a file by full name, nested ones too."""

    def nested(prefix: str, found: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
        yield f"{prefix}.{found.name}", found
        for inner in found.nested_type:
            yield from nested(f"{prefix}.{found.name}", inner)

    for message in file.message_type:
        yield from nested(file.package, message)


def fields(file: FileDescriptorProto) -> dict[str, tuple[int, int, str]]:
    """Return number, type and JSON name of every field of a file."""
    return {
        f"{name}.{field.name}": (field.number, field.type, field.json_name or camel_case(field.name))
        for name, message in messages(file)
        for field in message.field
    }


MESSAGES = {name: message for file in PUBLIC for name, message in messages(file)}
REQUESTS = sorted({method.input_type[1:] for file in PUBLIC for service in file.service for method in service.method})


@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file in PUBLIC])
def test_the_typescript_client_has_every_field(file: FileDescriptorProto) -> None:
    source = (TYPESCRIPT / file.name.replace(".proto", "_pb.ts")).read_text()
    found = re.search(r'fileDesc\("([^"]+)"', source)
    assert found, "run clients/typescript/generate.sh"
    encoded = found[1] + "=" * (-len(found[1]) % 4)
    assert fields(FileDescriptorProto.FromString(base64.b64decode(encoded))) == fields(file)


def test_the_openapi_document_has_every_field_of_its_messages() -> None:
    made = OPENAPI["components"]["schemas"]
    by_short_name = {re.sub(r"^ordermesh\.\w+\.v1\.", "", name): message for name, message in MESSAGES.items()}
    known = {name: schema for name, schema in made.items() if name in by_short_name}
    assert {name: set(schema["properties"]) for name, schema in known.items()} == {
        name: {field.json_name for field in by_short_name[name].field} for name in known
    }


@pytest.mark.parametrize("request_name", REQUESTS)
def test_the_openapi_document_has_every_field_of_a_request_in_each_form(request_name: str) -> None:
    service_methods = [
        (f"{file.package}.{service.name}/{method.name}")
        for file in PUBLIC
        for service in file.service
        for method in service.method
        if method.input_type == f".{request_name}"
    ]
    forms = [
        made
        for verbs in OPENAPI["paths"].values()
        for made in verbs.values()
        if any(f"gRPC: `{method}`" in made["description"] for method in service_methods)
    ]
    assert forms
    expected = {field.json_name for field in MESSAGES[request_name].field}
    assert [given_by(form) for form in forms] == [expected] * len(forms)


def given_by(form: dict[str, Any]) -> set[str]:
    """Return the fields that a client can give in a form of REST."""
    schema = form.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {parameter["name"] for parameter in form["parameters"]} | set(schema.get("properties", {}))


def test_the_reference_has_every_field() -> None:
    sections = re.split(r"^### ", REFERENCE.read_text(), flags=re.MULTILINE)
    found = {
        section.split("\n", 1)[0]: set(re.findall(r"^\| \d+ \| `(\w+)`", section, flags=re.MULTILINE))
        for section in sections
    }
    assert {name: found.get(name) for name in MESSAGES} == {
        name: {field.name for field in made.field} for name, made in MESSAGES.items()
    }


def test_the_python_client_gives_every_field_of_a_request() -> None:
    given: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(CALLS.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given.setdefault(node.func.attr, set()).update(word.arg for word in node.keywords if word.arg)
    missing = {
        f"{name}.{field.name}"
        for name in REQUESTS
        for field in MESSAGES[name].field
        if field.name not in given.get(name.rpartition(".")[2], set()) | SET_ELSEWHERE
    }
    assert missing == set()
