"""Who the gateway is to the Live service, as headers of the WebSocket's upgrade request.

A key stays out of the URL, which proxies and logs like to keep.  Application
default credentials are Google's own library's business: it finds them, it
refreshes them, in a thread because it does so with blocking calls.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.errors import ConfigError, LiveUnauthorized, LiveUnreachable

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_REFRESH_TIMEOUT_S = 10.0


class Credentials(Protocol):
    """Anything that can say who we are."""

    async def headers(self) -> dict[str, str]:
        """Headers for one upgrade request.

        Raises :exc:`LiveUnauthorized` or :exc:`LiveUnreachable`.
        """
        ...


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """For a service that asks for none, such as the local one."""

    async def headers(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the Developer API, or of Vertex AI in express mode."""

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.key or not all("!" <= character <= "~" for character in self.key):
            raise ConfigError("The API key is empty or has characters that no key has.")

    async def headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self.key}


class ApplicationDefault:
    """Google's application default credentials, for Vertex AI.

    One object serves all calls: the token is kept until shortly before it
    expires.  ``quota_project`` is billed instead of the credentials' own.
    ``credentials`` are found by google-auth unless they are given.
    """

    def __init__(self, *, quota_project: str | None = None, credentials: Any = None) -> None:
        self._credentials = credentials
        self._quota_project = quota_project
        self._refreshing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(quota_project={self._quota_project!r})"

    async def headers(self) -> dict[str, str]:
        # google-auth counts a token as no longer valid minutes before it expires.
        async with self._refreshing:
            if self._credentials is None or not self._credentials.valid:
                self._credentials = await asyncio.to_thread(_refreshed, self._credentials)
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        if self._quota_project:
            headers["x-goog-user-project"] = self._quota_project
        return headers


def _refreshed(credentials: Any) -> Any:
    """The credentials with a token that is good for a while.  Blocks."""
    import google.auth
    import google.auth.exceptions
    import google.auth.transport.requests

    try:
        if credentials is None:
            credentials, _ = google.auth.default(scopes=SCOPES)
        if not credentials.valid:
            request = google.auth.transport.requests.Request()
            credentials.refresh(functools.partial(request, timeout=_REFRESH_TIMEOUT_S))
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise LiveUnauthorized(
            "There are no application default credentials to use: run `gcloud auth "
            "application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the file of "
            f"a service account. ({error})"
        ) from error
    except google.auth.exceptions.TransportError as error:
        raise LiveUnreachable("Google's token service cannot be reached.") from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise LiveUnauthorized(
            "Google did not renew the application default credentials: run `gcloud auth "
            "application-default login` again, or check the service account."
        ) from error
    return credentials
