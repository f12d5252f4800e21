"""The page and its files."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from signaling.files import WebFiles, web_folder
from tests.signaling.conftest import Serve
from tests.signaling.support import assert_problem

PAGE = b"<!doctype html><title>livegate</title>"
SCRIPT = b"export const answer = 42;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "web"
    (root / "audio").mkdir(parents=True)
    (root / "index.html").write_bytes(PAGE)
    (root / "call.js").write_bytes(SCRIPT)
    (root / "audio" / "meter.js").write_bytes(SCRIPT)
    (root / ".hidden.js").write_bytes(b"hidden")
    (root / "notes.txt").write_bytes(b"notes")
    (root / "looks.js").mkdir()
    (tmp_path / "outside.js").write_bytes(b"outside")
    (root / "alias.css").symlink_to(root / "notes.txt")
    (root / "link.js").symlink_to(tmp_path / "outside.js")
    (root / "loop.js").symlink_to(root / "loop.js")
    return root


@pytest.mark.integration
async def test_the_page_comes_with_the_headers_that_keep_it_safe(
    serve: Serve, http: aiohttp.ClientSession, folder: Path
) -> None:
    server = await serve(folder=folder)
    async with http.get(server.url) as response:
        assert await response.read() == PAGE
        headers = response.headers
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["connect-src"] == "'self'"
    assert policy["media-src"] == "'self' blob: mediastream:"
    assert policy["img-src"] == "'self' data:"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["Permissions-Policy"] == (
        "microphone=(self), camera=(self), display-capture=(self)"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-cache"


@pytest.mark.integration
async def test_a_file_is_sent_once_and_again_when_it_has_changed(
    serve: Serve, http: aiohttp.ClientSession, folder: Path
) -> None:
    server = await serve(folder=folder)
    url = f"{server.url}/static/call.js"
    async with http.get(url) as response:
        assert await response.read() == SCRIPT
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        etag = response.headers["ETag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        async with http.get(url, headers={"If-None-Match": known}) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == etag
            assert response.headers["Cache-Control"] == "no-cache"
    (folder / "call.js").write_bytes(b"export const answer = 43;\n")
    async with http.get(url, headers={"If-None-Match": etag}) as response:
        assert response.status == 200
        assert response.headers["ETag"] != etag
    async with http.head(url) as response:
        assert (response.status, response.content_length) == (200, len(SCRIPT))


@pytest.mark.integration
@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        ".hidden.js",
        "notes.txt",
        "looks.js",
        "audio",
        "link.js",
        "loop.js",
        "alias.css",
    ],
)
async def test_what_is_not_part_of_the_page_is_not_found(
    serve: Serve, http: aiohttp.ClientSession, folder: Path, name: str
) -> None:
    server = await serve(folder=folder)
    async with http.get(f"{server.url}/static/{name}") as response:
        body = await response.read()
    assert assert_problem(response.status, response.headers, body) == "not_found"


@pytest.mark.unit
def test_a_file_in_a_folder_of_the_folder_is_read(folder: Path) -> None:
    files = WebFiles(folder)
    assert files.read("audio/meter.js") == SCRIPT
    assert files.read("audio/../call.js") is None
    assert files.read(str(folder / "call.js")) is None
    assert files.read("../outside.js") is None
    assert files.read(str(folder.parent / "outside.js")) is None


@pytest.mark.unit
def test_a_page_that_was_not_installed_is_not_found(tmp_path: Path) -> None:
    assert WebFiles(tmp_path / "nothing").read("index.html") is None


@pytest.mark.unit
def test_the_web_folder_is_beside_the_packages() -> None:
    assert web_folder().name == "web"
    assert web_folder().is_dir()
