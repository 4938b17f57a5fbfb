"""Tests of the fault matrix run in a loop whose clock jumps."""

from collections.abc import Callable, Mapping

import pytest

from fwai.simulator.common.jumping_loop import JumpingLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], JumpingLoop]]:
    return {"jumping": JumpingLoop}
