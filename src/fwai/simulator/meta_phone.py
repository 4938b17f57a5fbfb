"""One WhatsApp call as Meta sees it, with the user's telephone at its other end."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Final
from uuid import uuid4

from fwai.simulator.clips import ClipLibrary
from fwai.simulator.meta_media import HEAR_HZ, OPUS_HZ, MetaMedia, Weather
from fwai.simulator.recognizer import Recognizer

CONNECT_S: Final = 20.0
NO_MEDIA: Final = 138021

Tell = Callable[[Mapping[str, Any]], Awaitable[None]]


@cache
def _library() -> tuple[ClipLibrary, Recognizer]:
    clips = ClipLibrary.load()
    return clips, Recognizer(clips.by_role("agent"))


class MetaCall:
    """A call; made by `MetaSimulator`.

    Attributes:
        id: Meta's.
        actions: What the server asked for, in order.
        heard: Names of the phrases the user heard; None for what was none of them.
        answered: The server accepted, or the user picked up.
        over: The call has ended.
        status: ``COMPLETED`` or ``FAILED`` once it is over.
    """

    def __init__(self, user: str, *, ours: bool, tell: Tell, weather: Weather | None) -> None:
        self.id = f"wacid.{uuid4().hex}="
        self.user = user
        self.ours = ours
        self.reference = ""
        self.actions: list[str] = []
        self.heard: list[str | None] = []
        self.answered = asyncio.Event()
        self.over = asyncio.Event()
        self.status = ""
        self.media = MetaMedia(weather)
        self._tell = tell
        self._posted = ""
        self._described = asyncio.Event()
        self._connected = asyncio.Event()
        self._answered_at: float | None = None

    @property
    def violations(self) -> list[str]:
        """Rules that the server broke."""
        return self.media.violations

    # ---- the server's side ----------------------------------------------------------------------

    def act(self, action: str, description: str) -> str:
        """Do what the server asks for; return what is wrong with it."""
        self.actions.append(action)
        if self.over.is_set():
            return "the call has ended"
        if action in ("reject", "terminate"):
            if action == "reject" and self.answered.is_set():
                return "the call was accepted"
            self.end("COMPLETED")
            return ""
        if self.answered.is_set() or self.ours or (action == "pre_accept" and self._posted):
            return "the call is in progress"
        if self._posted and description != self._posted:
            self.media.violate("accept had another description than pre_accept")
            return "session differs from pre_accept"
        if not self._posted and (wrong := self.media.apply(description)):
            self.media.violate(wrong)
            return wrong
        self._posted = description
        self._described.set()
        if action == "accept":
            self.pick_up()
        return ""

    def dialled(self, description: str) -> str:
        """Take the server's offer; return what is wrong with it."""
        wrong = self.media.apply(description)
        self._described.set()
        return wrong

    # ---- the user's side ------------------------------------------------------------------------

    def pick_up(self) -> None:
        """The call is answered, by whichever side had to."""
        self._answered_at = time.time()
        self.media.may_send = True
        self.answered.set()

    def end(self, status: str) -> None:
        """End the call; the webhook is told."""
        if not self.over.is_set():
            self.status = status
            self.over.set()

    def hang_up(self) -> None:
        """The user hangs up."""
        self.end("COMPLETED")

    async def say(self, clip: str) -> None:
        """Say a phrase to its end."""
        await asyncio.sleep(self.media.say(_library()[0][clip].pcm(OPUS_HZ)))

    async def hear(self, clip: str, within_s: float = 15.0) -> None:
        """Wait for the agent to say ``clip`` to its end.

        Raises:
            AssertionError: It said something else.
            TimeoutError: It said nothing.
        """
        async with asyncio.timeout(within_s):
            while not self.media.utterances:  # noqa: ASYNC110 - a telephone's ear
                await asyncio.sleep(0.02)
        utterance = self.media.utterances.popleft()
        match = await asyncio.to_thread(_library()[1].identify, bytes(utterance.pcm), HEAR_HZ)
        self.heard.append(match.clip.name if match else None)
        if self.heard[-1] != clip:
            span = f"{utterance.start_ms:.0f} to {utterance.end_ms:.0f} ms"
            raise AssertionError(f"heard {self.heard[-1]} ({span}) instead of {clip}")

    # ---- its life -------------------------------------------------------------------------------

    async def run(self, ring_s: float) -> None:
        """Be the call: media, time limits, the last webhook."""
        failure = 0
        try:
            async with asyncio.TaskGroup() as tasks:
                media = tasks.create_task(self._media(), name="meta_media")
                limits = tasks.create_task(self._limits(ring_s), name="meta_limits")
                await self.over.wait()
                media.cancel()
                failure = limits.result() if limits.done() and not limits.cancelled() else 0
                limits.cancel()
        finally:
            self.over.set()
            await self.media.close()
        await self._tell(self._terminate(failure))

    async def _media(self) -> None:
        await self._described.wait()
        with contextlib.suppress(ConnectionError):
            await self.media.connect()
            self._connected.set()
            await self.media.run()

    async def _limits(self, ring_s: float) -> int:
        """End what nobody answers, or what brings no sound; return the error code."""
        try:
            async with asyncio.timeout(ring_s):
                await self.answered.wait()
        except TimeoutError:
            self.end("COMPLETED")
            return 0
        began = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(0.5)
            since = self.media.sound_at if self.media.sound_at is not None else began
            if asyncio.get_running_loop().time() - since > CONNECT_S:
                self.end("FAILED")
                return NO_MEDIA

    def _terminate(self, failure: int) -> Mapping[str, Any]:
        now = time.time()
        call: dict[str, Any] = {
            **self.parties(),
            "event": "terminate",
            "timestamp": str(int(now)),
            "status": self.status,
        }
        if self.reference:
            call["biz_opaque_callback_data"] = self.reference
        if self._answered_at is not None:
            call["start_time"], call["end_time"] = str(int(self._answered_at)), str(int(now))
            call["duration"] = max(round(now - self._answered_at), 1)
        errors = {"errors": [{"code": failure, "title": "Media timeout"}]} if failure else {}
        return {"calls": [call], **errors}

    def parties(self) -> dict[str, Any]:
        """Return what every webhook says about the call."""
        ours, theirs = "15550001111", self.user.lstrip("+")
        return {
            "id": self.id,
            "from": ours if self.ours else theirs,
            "to": theirs if self.ours else ours,
            "direction": "BUSINESS_INITIATED" if self.ours else "USER_INITIATED",
        }
