"""Generates the table of public RPCs with their REST forms from the contracts."""

from __future__ import annotations

from contract_reader import Contracts, Method, prose

HEAD = """\
# RPCs and their REST forms

Generated from the contracts by `make gen`. gRPC, gRPC-Web and REST share one port.
`/docs` describes messages and errors.
"""
COLUMNS = "| RPC | REST | roles | what it does |\n|---|---|---|---|"


def table(image: bytes) -> str:
    """Return the table as Markdown, from a FileDescriptorSet with comments."""
    parts = [HEAD]
    for service in Contracts(image).services:
        rows = "\n".join(row(method) for method in service.methods)
        head = f"## {service.full_name}\n{prose(service.comment)}\n"
        parts.append(f"{head}\n{COLUMNS}\n{rows}\n")
    return "\n".join(parts)


def row(method: Method) -> str:
    """Return the row of a method."""
    rest = "<br>".join(f"`{verb.upper()} {path}`" for verb, path, _ in method.bindings)
    name = f"{method.name} (stream)" if method.server_streaming else method.name
    roles = method.access.words if method.access else ""
    return f"| {name} | {rest} | {roles} | {' '.join(prose(method.comment).split())} |"
