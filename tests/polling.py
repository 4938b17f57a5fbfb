"""Waiting for what sets no event: the other end of a socket, a thread, a database."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

OFTEN_S = 0.002


async def until(true: Callable[[], object | Awaitable[object]], within_s: float = 5.0) -> None:
    """Look again and again whether something is true; fail if it is not in time."""
    async with asyncio.timeout(within_s):
        while not await _answer(true()):  # noqa: ASYNC110 - it is not ours to signal
            await asyncio.sleep(OFTEN_S)


async def _answer(told: object) -> object:
    return await told if inspect.isawaitable(told) else told
