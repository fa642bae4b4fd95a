"""The API documentation: Swagger UI from its jar, or a page that says how to get it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.web import pages
from gateway.web.swagger_ui import FILES
from stack.downloads.jar_sets import SWAGGER_UI_JARS

LARGE = "swagger-ui-bundle.js"
DOCS = ("/docs", "/docs/")


@pytest.fixture(scope="module")
def real_jar() -> str:
    (jar,) = SWAGGER_UI_JARS.ensure().glob("*.jar")
    return str(jar)


def client(jar: str) -> TestClient[Any, Any]:
    return TestClient(TestServer(pages.application("", jar)))


async def test_the_page_and_all_that_it_names_are_served_from_the_jar(real_jar: str) -> None:
    async with client(real_jar) as asked:
        for path in DOCS:
            reply = await asked.get(path)
            assert (reply.status, reply.content_type) == (200, "text/html")
            named = set(re.findall(r'(?:src|href)="/docs/([^"]+)"', await reply.text()))
        assert named == set(FILES)
        with ZipFile(real_jar) as archive:
            for name in FILES:
                (path,) = (one for one in archive.namelist() if one.endswith(f"/{name}"))
                reply = await asked.get(f"/docs/{name}")
                assert await reply.read() == archive.read(path)


async def test_the_licences_that_the_bundle_refers_to_are_served(real_jar: str) -> None:
    async with client(real_jar) as asked:
        bundle = await (await asked.get(f"/docs/{LARGE}")).text()
        (name,) = re.findall(r"For license information please see (\S+) ", bundle)
        assert "license" in await (await asked.get(f"/docs/{name}")).text()
        assert "copyright SmartBear Software Inc., Apache License 2.0" in await (await asked.get("/docs")).text()


async def test_a_file_that_the_browser_has_is_not_sent_again(real_jar: str) -> None:
    async with client(real_jar) as asked:
        first = await asked.get(f"/docs/{LARGE}")
        for known in (first.headers["etag"], "*"):
            again = await asked.get(f"/docs/{LARGE}", headers={"if-none-match": known})
            assert (again.status, await again.read()) == (304, b"")
            assert "default-src 'none'" in again.headers["content-security-policy"]
        other = await asked.get(f"/docs/{LARGE}", headers={"if-none-match": '"other"'})
        assert (other.status, len(await other.read())) == (200, int(first.headers["content-length"]))
        head = await asked.head(f"/docs/{LARGE}")
        assert (head.status, head.headers["content-length"]) == (200, first.headers["content-length"])
        assert await head.read() == b""


def absent(path: Path) -> None:
    """Leave no file."""


def a_folder(path: Path) -> None:
    path.mkdir()


def no_archive(path: Path) -> None:
    path.write_bytes(b"no archive")


def other_jar(path: Path) -> None:
    with ZipFile(path, "w") as archive:
        archive.writestr("META-INF/resources/webjars/swagger-ui/9.9.9/index.html", "")


def a_damaged_jar(path: Path) -> None:
    with ZipFile(path, "w") as archive:
        for name in FILES:
            archive.writestr(f"META-INF/resources/webjars/swagger-ui/9.9.9/{name}", b"content of a file")
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT"))


@pytest.mark.parametrize("make", [absent, a_damaged_jar, a_folder, no_archive, other_jar])
async def test_without_the_jar_the_page_says_how_to_get_it(make: Callable[[Path], None], tmp_path: Path) -> None:
    jar = tmp_path / "swagger-ui.jar"
    make(jar)
    await assert_says_how(str(jar))


async def test_without_the_setting_the_page_says_how_to_get_it() -> None:
    await assert_says_how("")


async def assert_says_how(jar: str) -> None:
    async with client(jar) as asked:
        for path in DOCS:
            reply = await asked.get(path)
            assert (reply.status, reply.content_type) == (503, "text/html")
            text = await reply.text()
            assert "ordermesh fetch" in text
            assert "ORDERMESH_GATEWAY_SWAGGER_UI_JAR" in text
        assert (await asked.get(f"/docs/{LARGE}")).status == 404
        assert (await (await asked.get("/openapi.json")).json())["openapi"].startswith("3.")


@pytest.mark.parametrize("path", ["/docs/%3Cb%3E?a=b", "/docs/LICENSE", "/docs/x/y", "/static/", "/static/x", "/x"])
async def test_an_unknown_name_is_answered_as_the_front_proxy_answers(path: str) -> None:
    async with client("") as asked:
        reply = await asked.get(path)
        assert (reply.status, reply.headers["content-type"]) == (404, "application/json")
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "PATH_NOT_FOUND", "domain": "ordermesh"}
        message = f"no such path: GET {path.partition('?')[0]}; see /docs for the paths"
        assert await reply.json() == {"code": 5, "message": message, "details": [{**info, "metadata": {}}]}
        head = await asked.head(path)
        assert (head.status, await head.read()) == (404, b"")
