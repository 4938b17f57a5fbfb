"""Gemini's tests run in a loop whose clock jumps, and leave nothing behind."""

from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio

from unit.gemini.jumping_loop import JumpingLoop, tasks_left


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], JumpingLoop]]:
    return {"jumping": JumpingLoop}


@pytest_asyncio.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    yield
    assert not await tasks_left()
