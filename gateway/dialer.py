"""Opens the live session of a call: the operator's settings and the call's, as one setup."""

from __future__ import annotations

import ssl

from gateway.call import CallSettings
from gateway.config import LiveConfig
from gateway.live import (
    ApiKey,
    ApplicationDefault,
    Endpoint,
    LiveSession,
    LiveSetup,
    NoCredentials,
    connect,
)
from gateway.live.credentials import Credentials


class Dialer:
    """Dials live sessions at one endpoint with one set of credentials.

    ``url`` is where the local Live server listens, when that is the far end.
    """

    def __init__(
        self,
        config: LiveConfig,
        *,
        instructions: str = "",
        url: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._config = config
        self._instructions = instructions
        self._tls = tls
        self._credentials = _credentials(config, stand_in=url is not None)
        self._endpoint = Endpoint(
            service=config.service,
            version=config.api_version,
            project=config.project,
            location=config.location,
            base_url=url or config.url,
        )

    async def __call__(self, settings: CallSettings) -> LiveSession:
        """Open a live session.  Raises a :exc:`~gateway.errors.LiveError`."""
        setup = LiveSetup(
            model=settings.model,
            voice=settings.voice,
            language=settings.language,
            instructions=self._instructions or None,
        )
        return await connect(
            self._endpoint,
            self._credentials,
            setup,
            timeout_s=self._config.connect_s,
            ssl=self._tls,
        )


def _credentials(config: LiveConfig, *, stand_in: bool) -> Credentials:
    if stand_in:
        return NoCredentials()
    if config.api_key and (config.service == "dev" or not config.project):
        return ApiKey(config.api_key)
    if config.service == "vertex":
        return ApplicationDefault()
    return NoCredentials()
