"""Writes the CycloneDX documents of the image, of one machine and of the containers' images into a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from sbom.documents import documents


def main(arguments: list[str]) -> int:
    """Write the documents into the folder, build/sbom without one."""
    folder = Path(arguments[0] if arguments else "build/sbom")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text)
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
