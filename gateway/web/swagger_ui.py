"""Swagger UI, which shows the OpenAPI document: its files are read from the webjar once and kept in memory."""

from __future__ import annotations

import hashlib
import mimetypes
import zlib
from zipfile import BadZipFile, ZipFile

from aiohttp import web
from aiohttp.typedefs import Handler

from runtime.telemetry.logging import logger

FOLDER = "META-INF/resources/webjars/swagger-ui/"
# The bundle refers to the licences of what it contains by the name of their file.
FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "favicon-32x32.png")


def served(name: str, body: bytes, chunk_bytes: int) -> Handler:
    """Return a handler that serves a file in chunks: a client that does not read holds one, and not the whole file."""
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    etag = hashlib.sha256(body).hexdigest()[:16]

    async def answer(request: web.Request) -> web.StreamResponse:
        known = any(tag.value in (etag, "*") for tag in request.if_none_match or ())
        response = web.StreamResponse(status=304 if known else 200)
        response.etag = etag
        if known:
            return response
        response.content_type = content_type
        response.content_length = len(body)
        await response.prepare(request)
        if request.method != "HEAD":
            for start in range(0, len(body), chunk_bytes):
                await response.write(body[start : start + chunk_bytes])
        return response

    return answer


def read_files(jar: str) -> dict[str, bytes]:
    """Return the files by name; none, with a line in the log, when there is no webjar with all of them."""
    if not jar:
        return {}
    try:
        with ZipFile(jar) as archive:
            paths = {path.rpartition("/")[2]: path for path in archive.namelist() if path.startswith(FOLDER)}
            return {name: archive.read(paths[name]) for name in FILES}
    except KeyError as error:
        reason = f"no file {error}"
    except (OSError, BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        reason = str(error)
    logger().warning("no API documentation: the webjar of Swagger UI is unreadable", error=f"{jar}: {reason}")
    return {}
