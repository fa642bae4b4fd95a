"""Generates gen/ from the contracts: Python modules with type stubs, the descriptor set and the OpenAPI document.

`python proto/generate.py` writes gen/; `--check` fails if gen/ is stale; `--image PATH` writes
only an image with comments, for buf.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

import google.api
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
GEN = PROTO.parent / "gen" / "ordermesh"
# grpcio-tools carries google/protobuf, googleapis-common-protos carries google/api and google/rpc.
INCLUDES = [
    f"-I{PROTO}",
    f"-I{Path(protoc.__file__).parent / '_proto'}",
    f"-I{Path(next(iter(google.api.__path__))).parent.parent}",
]
INTERNAL = "ordermesh/internal/"
# No contract imports it, but Envoy needs it to print error details as JSON.
ERROR_DETAILS = "google/rpc/error_details.proto"


def contracts() -> list[str]:
    """Return the paths of the contracts, relative to proto/."""
    return sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("ordermesh/**/*.proto"))


def compile_protos(options: list[str], files: list[str]) -> None:
    """Run protoc; exit with a message if it fails."""
    if protoc.main(["protoc", *INCLUDES, *options, *files]) != 0:
        sys.exit("protoc failed; see the messages above")


def write_descriptors(target: Path, *, comments: bool, internal: bool) -> None:
    """Write the contracts and their imports as one FileDescriptorSet."""
    files = [name for name in contracts() if internal or not name.startswith(INTERNAL)]
    options = ["--include_imports", f"--descriptor_set_out={target}"]
    compile_protos(options + (["--include_source_info"] if comments else []), [*files, ERROR_DETAILS])


def generate(target: Path) -> None:
    """Write gen/ordermesh into the target folder."""
    parent = target.parent
    options = [f"--python_out={parent}", f"--pyi_out={parent}", f"--grpc_python_out={parent}"]
    compile_protos(options, contracts())
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text("")
    (target / "py.typed").write_text("")
    write_descriptors(target / "descriptor.binpb", comments=False, internal=False)
    from api_table import table
    from openapi import document

    image = target / "image.binpb"
    write_descriptors(image, comments=True, internal=False)
    (target / "openapi.json").write_text(document(image.read_bytes()))
    (target / "api.md").write_text(table(image.read_bytes()))
    image.unlink()


def differences(left: Path, right: Path) -> list[str]:
    """Return the files that differ between two trees or are missing in one of them."""
    names = {str(p.relative_to(root)) for root in (left, right) for p in root.rglob("*") if p.is_file()}
    names = {name for name in names if "__pycache__" not in name}
    same = filecmp.cmpfiles(left, right, sorted(names), shallow=False)[0]
    return sorted(names - set(same))


def main() -> None:
    """Generate gen/ or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if gen/ is stale; write nothing")
    parser.add_argument("--image", type=Path, help="write only an image with comments there")
    options = parser.parse_args()
    if options.image:
        write_descriptors(options.image, comments=True, internal=True)
        return
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "ordermesh"
        fresh.mkdir()
        generate(fresh)
        if options.check:
            stale = differences(fresh, GEN)
            sys.exit(f"gen/ is stale, run `make gen`: {', '.join(stale)}" if stale else 0)
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(fresh, GEN)


if __name__ == "__main__":
    main()
