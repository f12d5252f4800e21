"""The page: the files of ``web/``, few and small, read when they are asked for.

Reading at every request lets a developer edit and reload; the ``ETag`` of the
content spares the transfer.  Only plain files of known types below the folder
are served, so nothing that strays into it can be fetched.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

from signaling.problems import Problem

TYPES = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".webmanifest": "application/manifest+json",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".ico": "image/vnd.microsoft.icon",
        ".woff2": "font/woff2",
        ".wav": "audio/wav",
    }
)

HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": (
            "default-src 'self'; connect-src 'self'; media-src 'self' blob: mediastream:; "
            "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Permissions-Policy": "microphone=(self), camera=(self), display-capture=(self)",
    }
)


def web_folder() -> Path:
    """``web/`` inside the installed package, or else beside the packages."""
    here = Path(__file__).resolve().parent
    inside = here / "web"
    return inside if inside.is_dir() else here.parent / "web"


class WebFiles:
    """Answers for ``/`` (``index.html``) and ``/static/{name}``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    async def index(self, request: web.Request) -> web.Response:
        return await self._answer(request, "index.html")

    async def static(self, request: web.Request) -> web.Response:
        return await self._answer(request, request.match_info["name"])

    async def _answer(self, request: web.Request, name: str) -> web.Response:
        content = await asyncio.to_thread(self.read, name)
        if content is None:
            raise Problem("not_found", "There is no such file.")
        etag = hashlib.sha256(content).hexdigest()[:32]
        response = web.Response(headers=HEADERS)
        response.etag = etag
        if any(known.value in (etag, "*") for known in request.if_none_match or ()):
            response.set_status(304)
        else:
            response.headers["Content-Type"] = TYPES[Path(name).suffix]
            response.body = content
        return response

    def read(self, name: str) -> bytes | None:
        """The bytes of a file below the folder, ``None`` for anything else."""
        relative = Path(name)
        if relative.is_absolute() or any(part.startswith(".") for part in relative.parts):
            return None
        try:
            path = (self._folder / relative).resolve(strict=True)
            served = path.is_relative_to(self._folder) and path.suffix in TYPES and path.is_file()
            return path.read_bytes() if served else None
        except (OSError, ValueError, RuntimeError):  # missing, too long, a NUL, a loop of links
            return None
