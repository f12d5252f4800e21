"""Every contract test runs against the local server; with ``--real-service`` also Google's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.far_end import FarEnd, local_far_end, real_far_end

_PLACES = ("dev", "vertex")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "far_end" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("services")
        services = only.args if only else _PLACES
        places = [f"local-{service}" for service in services]
        if metafunc.config.getoption("--real-service"):
            places += [f"real-{service}" for service in services]
        metafunc.parametrize("far_end", places, indirect=True)


@pytest.fixture
async def far_end(request: pytest.FixtureRequest) -> AsyncIterator[FarEnd]:
    """One service at one place."""
    place, _, service = request.param.partition("-")
    assert service == "dev" or service == "vertex"
    if place == "local":
        async with local_far_end(service) as far_end:
            yield far_end
    elif (real := real_far_end(service)) is not None:
        yield real
    else:
        pytest.skip(f"no credentials for the real {service} service in the environment")
