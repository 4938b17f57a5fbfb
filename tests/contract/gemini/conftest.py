"""The contract runs in a loop whose clock jumps, and leaves nothing behind."""

from unit.gemini.conftest import nothing_left, pytest_asyncio_loop_factories, tidy

__all__ = ["nothing_left", "pytest_asyncio_loop_factories", "tidy"]
