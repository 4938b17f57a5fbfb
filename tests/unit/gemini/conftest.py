"""Gemini's tests run in a loop whose clock jumps, and leave nothing behind."""

import inspect
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio

from fwai.simulator.common.jumping_loop import JumpingLoop, tasks_left


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], JumpingLoop]]:
    return {"jumping": JumpingLoop}


@pytest_asyncio.fixture
async def nothing_left() -> AsyncIterator[None]:
    yield
    assert not await tasks_left()


@pytest.fixture(autouse=True)
def tidy(request: pytest.FixtureRequest) -> None:
    """Look for leftovers where there is a loop."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("nothing_left")
