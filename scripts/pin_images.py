"""Pins the images in Dockerfile and docker-compose.yml by digest: asks a registry what each exact tag leads to now.

`python scripts/pin_images.py https://REGISTRY`. Run it again after a change of a tag.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Dockerfile", "docker-compose.yml")
# An image with its tag, and the digest of an earlier run.
IMAGE = re.compile(
    r"^(?P<before>ARG BASE=|    image: )(?P<name>[a-z0-9][a-z0-9./_-]*):(?P<tag>[\w.-]+)(?:@sha256:[0-9a-f]{64})?$",
    re.MULTILINE,
)
# An index of several platforms, or the manifest of one, in Docker's and in OCI's form.
ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
TIMEOUT_SECONDS = 30.0


class PinError(Exception):
    """The registry gives no digest, or one that is not of what it gives."""


def main() -> int:
    """Pin every image, or none when one of them has no digest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("registry", help="address of the registry: https://HOST")
    registry = parser.parse_args().registry.rstrip("/")
    try:
        texts = {name: pinned((ROOT / name).read_text(), registry) for name in FILES}
    except (PinError, urllib.error.URLError) as error:
        print(f"nothing was changed: {error}", file=sys.stderr)
        return 1
    for name, text in texts.items():
        (ROOT / name).write_text(text)
    return 0


def pinned(text: str, registry: str) -> str:
    """Return the text of a file with every image pinned. Raises PinError."""

    def pin(found: re.Match[str]) -> str:
        image = f"{found['name']}:{found['tag']}"
        reference = f"{image}@{digest(registry, found['name'], found['tag'])}"
        print(reference)
        return found["before"] + reference

    return IMAGE.sub(pin, text)


def digest(registry: str, name: str, tag: str) -> str:
    """Return the digest of what a tag leads to, computed from the manifest. Raises PinError."""
    path = name if "/" in name else f"library/{name}"
    url = f"{registry}/v2/{path}/manifests/{tag}"
    try:
        body, said = manifest(url)
    except urllib.error.HTTPError as error:
        raise PinError(f"{name}:{tag}: the registry answers {error.code}") from error
    found = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if said and said != found:
        raise PinError(f"{name}:{tag}: the registry says {said}, the manifest has {found}")
    return found


def manifest(url: str) -> tuple[bytes, str | None]:
    """Return a manifest and the digest that the registry states; with a token of anybody where it wants one."""
    try:
        return get(url, {"Accept": ACCEPT})
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        challenge = error.headers["WWW-Authenticate"] or ""
    return get(url, {"Accept": ACCEPT, "Authorization": f"Bearer {token(challenge)}"})


def token(challenge: str) -> str:
    """Return the token of anybody for what a registry's challenge names. Raises PinError."""
    parts = dict(CHALLENGE.findall(challenge))
    if "realm" not in parts:
        raise PinError(f"the registry wants authentication of an unknown kind: {challenge}")
    query = urllib.parse.urlencode({name: parts[name] for name in ("service", "scope") if name in parts})
    answer = json.loads(get(f"{parts['realm']}?{query}", {})[0])
    return str(answer.get("token") or answer.get("access_token"))


def get(url: str, headers: dict[str, str]) -> tuple[bytes, str | None]:
    """Return the body of an answer and the digest in its header."""
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise PinError(f"{url}: must begin with https://")
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the scheme was checked
        return answer.read(), answer.headers["Docker-Content-Digest"]


if __name__ == "__main__":
    sys.exit(main())
