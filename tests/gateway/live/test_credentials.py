"""Headers, and what they never show."""

from __future__ import annotations

import asyncio
import datetime
import threading
from pathlib import Path
from typing import Any

import google.auth.credentials
import google.auth.exceptions
import pytest

from gateway.errors import ConfigError, LiveUnauthorized, LiveUnreachable
from gateway.live.credentials import ApiKey, ApplicationDefault, NoCredentials

pytestmark = pytest.mark.unit


class FakeCredentials(google.auth.credentials.CredentialsWithQuotaProject):  # type: ignore[misc]
    """Google's own class with a token service of ours behind it."""

    def __init__(self, lifetime_s: float = 3600, error: Exception | None = None) -> None:
        super().__init__()
        self.lifetime = datetime.timedelta(seconds=lifetime_s)
        self.error = error
        self.refreshes: list[str] = []  # by the name of the thread
        self.answer = threading.Event()
        self.answer.set()

    def refresh(self, request: Any) -> None:
        self.refreshes.append(threading.current_thread().name)
        assert self.answer.wait(10)
        if self.error is not None:
            raise self.error
        self.token = f"token-{len(self.refreshes)}"
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)  # as google-auth has it
        self.expiry = now + self.lifetime

    def with_quota_project(self, quota_project_id: str) -> FakeCredentials:
        self._quota_project_id = quota_project_id
        return self


async def test_no_credentials_are_no_headers() -> None:
    assert await NoCredentials().headers() == {}


async def test_a_key_is_a_header_and_does_not_show() -> None:
    credentials = ApiKey("AIza-secret")
    assert await credentials.headers() == {"x-goog-api-key": "AIza-secret"}
    assert "secret" not in repr(credentials)
    assert "secret" not in str(credentials)


@pytest.mark.parametrize("key", ["", " ", "a key", "key\r\nX-Evil: 1", "schlüssel"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ApiKey(key)
    assert str(caught.value) == "The API key is empty or has characters that no key has."


async def test_a_token_is_refreshed_in_a_thread_and_kept() -> None:
    fake = FakeCredentials()
    fake.answer.clear()
    credentials = ApplicationDefault(credentials=fake)
    asked = [asyncio.ensure_future(credentials.headers()) for _ in range(5)]
    while not fake.refreshes:
        await asyncio.sleep(0)
    fake.answer.set()
    assert await asyncio.gather(*asked) == [{"authorization": "Bearer token-1"}] * 5
    assert len(fake.refreshes) == 1
    assert fake.refreshes[0] != threading.main_thread().name
    assert "token-1" not in repr(credentials)


async def test_a_token_is_renewed_shortly_before_it_expires() -> None:
    fake = FakeCredentials(lifetime_s=60)
    credentials = ApplicationDefault(credentials=fake)
    assert (await credentials.headers())["authorization"] == "Bearer token-1"
    assert (await credentials.headers())["authorization"] == "Bearer token-2"


async def test_the_quota_project_is_the_given_one_before_the_credentials_own() -> None:
    fake = FakeCredentials().with_quota_project("theirs")
    assert (await ApplicationDefault(credentials=fake).headers())["x-goog-user-project"] == "theirs"
    headers = await ApplicationDefault(credentials=fake, quota_project="ours").headers()
    assert headers["x-goog-user-project"] == "ours"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            google.auth.exceptions.RefreshError("invalid_grant"),
            LiveUnauthorized,
            "did not renew",
        ),
        (
            google.auth.exceptions.TransportError("no route"),
            LiveUnreachable,
            "token service cannot be reached",
        ),
    ],
)
async def test_a_token_that_cannot_be_had_is_a_live_error(
    error: Exception, kind: type[Exception], words: str
) -> None:
    credentials = ApplicationDefault(credentials=FakeCredentials(error=error))
    with pytest.raises(kind, match=words):
        await credentials.headers()


async def test_missing_application_default_credentials_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(LiveUnauthorized, match="gcloud auth application-default login"):
        await ApplicationDefault().headers()
