"""Pinning images against a registry on loopback that wants a token of anybody, as public ones do."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pin_images
import pytest

ROOT = Path(__file__).parents[2]


class Registry(BaseHTTPRequestHandler):
    """Answers with a manifest that names its path; a tag `lying` has another digest, `missing` is not there."""

    def do_GET(self) -> None:
        address = f"http://127.0.0.1:{self.server.server_address[1]}"
        if self.path.startswith("/token?service=here&scope=repository"):
            self.reply(200, json.dumps({"token": "anybody"}).encode())
        elif self.headers["Authorization"] != "Bearer anybody":
            challenge = f'Bearer realm="{address}/token",service="here",scope="repository:x:pull"'
            self.reply(401, b"", ("WWW-Authenticate", challenge))
        elif self.path.endswith("/missing"):
            self.reply(404, b"")
        else:
            said = "sha256:" + ("0" * 64 if self.path.endswith("/lying") else digest_of(self.path))
            self.reply(200, self.path.encode(), ("Docker-Content-Digest", said))

    def reply(self, code: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def digest_of(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_image_of_our_files_is_pinned_once_however_often_it_runs(registry: str) -> None:
    images = 0
    for name in pin_images.FILES:
        once = pin_images.pinned((ROOT / name).read_text(), registry)
        assert pin_images.pinned(once, registry) == once
        references = re.findall(r"^(?:ARG BASE=|    image: )(?!.*ordermesh)(\S+)$", once, re.MULTILINE)
        for reference in references:
            image, _, digest = reference.partition("@sha256:")
            path, _, tag = image.rpartition(":")
            path = path if "/" in path else f"library/{path}"
            assert digest == digest_of(f"/v2/{path}/manifests/{tag}")
        images += len(references)
    assert images == 1 + len(
        re.findall(r"^    image: (?!.*ordermesh)", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("tag", "why"), [("lying", "the registry says sha256:0"), ("missing", "the registry answers 404")]
)
def test_a_tag_without_a_true_digest_is_named(registry: str, tag: str, why: str) -> None:
    with pytest.raises(pin_images.PinError, match=f"python:{tag}: {why}"):
        pin_images.pinned(f"ARG BASE=python:{tag}\n", registry)


def test_a_registry_without_tls_is_refused() -> None:
    with pytest.raises(pin_images.PinError, match="must begin with https"):
        pin_images.digest("http://registry.example", "python", "3.11")
