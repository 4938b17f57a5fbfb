"""Simulates one WhatsApp call: Meta's side of it, and the user's telephone.

Theory of operation: the call's `Line` is its life: whoever ends the line ends the call, and the
last webhook is posted then. The user follows a script, as on every other simulated telephone, or
is played by hand with `MetaCall.say`, `hear` and `hang_up`.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from fwai.simulator.common.caller import CallReport, Delivery, Patience, Step
from fwai.simulator.common.cause import Ending, HangupCause
from fwai.simulator.common.line import EventSink, Line
from fwai.simulator.common.report import report_of
from fwai.simulator.common.script import ScriptRunner, TalkStream
from fwai.simulator.common.voice import Repertoire, Speech
from fwai.simulator.meta.ear import MetaEar
from fwai.simulator.meta.media import MetaMedia
from fwai.simulator.meta.network import NetworkConditions

MEDIA_S: Final = 20.0
NO_MEDIA: Final = 138021
OVER_S: Final = 30.0
COMPLETED: Final = HangupCause("COMPLETED", "")
FAILED: Final = HangupCause("FAILED", str(NO_MEDIA))
REJECTED: Final = HangupCause("REJECTED", "")
OURS: Final = "15550001111"

Tell = Callable[["MetaCall", str, Mapping[str, Any]], Awaitable[None]]
"""Posts ``value`` about a call; the word says what it is."""


class _CallStream:
    """A call's media, with the methods that a script uses.

    Attributes:
        finished: Set when all that came was heard.
    """

    def __init__(self, media: MetaMedia) -> None:
        self.finished = media.finished
        self._media = media

    def say(self, name: str) -> Speech:
        """Say a phrase."""
        return self._media.say(name)

    async def press(self, digit: str) -> None:
        """Press a key."""
        self._media.press(digit)

    async def garble(self, kind: str) -> None:
        """Send a malformed datagram."""
        self._media.garble(kind)

    def abort(self) -> None:
        """Vanish without a word."""
        self._media.abort()


class MetaCall:
    """Simulates one call; made by `MetaSimulator`.

    Args:
        user: Digits of the number.
        ours: The server calls the user.
        tell: Posts webhooks.
        repertoire: What the user can say and recognise; prepared.
        network: What happens to the sound.
        on_event: Called as ``on_event(kind, **facts)`` while the call goes on; must not block.

    Attributes:
        id: Meta's.
        reference: What the server gave it (``biz_opaque_callback_data``).
        actions: What the server asked for, in order.
        heard: Names of the phrases that `hear` waited for; None for what was none of them.
        deliveries: Webhooks about it.
        answered: The server accepted, or the user picked up.
        over: The call has ended.
        closed: Its last webhook was posted, too.
        line: Its time axis and what is known on it.
    """

    def __init__(
        self,
        user: str,
        *,
        ours: bool,
        tell: Tell,
        repertoire: Repertoire,
        network: NetworkConditions | None = None,
        on_event: EventSink | None = None,
    ) -> None:
        self.id = f"wacid.{uuid4().hex}="
        self.user = user
        self.ours = ours
        self.reference = ""
        self.actions: list[str] = []
        self.heard: list[str | None] = []
        self.deliveries: list[Delivery] = []
        self.answered = asyncio.Event()
        self.over = asyncio.Event()
        self.closed = asyncio.Event()
        self.line = Line(repertoire, on_event)
        self.line.ear = self.ear = MetaEar(self.line)
        self.media = MetaMedia(self.line, self.ear, network)
        self.setup_ms = 0.0
        self._tell = tell
        self._posted = ""
        self._described = asyncio.Event()
        self._connected = False
        self._listened = 0
        self._duration_ms = 0.0
        self._answered_at: float | None = None

    @property
    def violations(self) -> list[str]:
        """Rules that the server broke."""
        return list(self.line.violations)

    @property
    def status(self) -> str:
        """``COMPLETED`` or ``FAILED`` once it is over."""
        ending = self.line.ending
        if ending is None:
            return ""
        return FAILED.name if ending.cause is FAILED else COMPLETED.name

    @property
    def stream(self) -> TalkStream | None:
        """The call's sound, from the answer to the end; for its script."""
        there = self.answered.is_set() and self._connected and not self.media.finished.is_set()
        return _CallStream(self.media) if there else None

    # ---- the server's side ----------------------------------------------------------------------

    def act(self, action: str, description: str) -> str:
        """Do what the server asks for; return what is wrong with it."""
        self.actions.append(action)
        ending = self.line.ending
        if ending is not None:
            unknown = not ending.told  # the user is gone, and Meta does not know it yet
            return "" if unknown and action == "terminate" else "the call has ended"
        if action in ("reject", "terminate"):
            if action == "reject" and self.answered.is_set():
                return "the call was accepted"
            rejected = Ending("answer_failed", REJECTED, "Business")
            self.end(rejected if action == "reject" else Ending("api", COMPLETED, "Business"))
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
        self.setup_ms = self.line.now_s() * 1000
        self.line.answer()
        self.media.may_send = True
        self.answered.set()
        self._flowing()

    def end(self, ending: Ending) -> None:
        """End the call; the webhook is told."""
        self.line.end(ending)
        self.over.set()

    def hang_up(self) -> None:
        """The user hangs up, or does not pick up at all."""
        by = "caller" if self.answered.is_set() else "unanswered" if self.ours else "canceled"
        self.end(Ending(by, COMPLETED, "User"))

    async def say(self, clip: str) -> None:
        """Say a phrase to its end."""
        speech = self.media.say(clip)
        await self.line.until(lambda: speech.done, OVER_S)

    async def hear(self, clip: str, within_s: float = 15.0) -> None:
        """Wait for the agent to say ``clip`` to its end.

        Raises:
            AssertionError: It said something else.
            TimeoutError: It said nothing.
        """
        async with asyncio.timeout(within_s):
            while len(self.ear.heard) <= self._listened:  # noqa: ASYNC110 - also when all is over
                await asyncio.sleep(0.02)
        heard = self.ear.heard[self._listened]
        self._listened += 1
        self.heard.append(heard.clip)
        if heard.clip != clip:
            span = f"{heard.start_ms:.0f} to {heard.end_ms:.0f} ms"
            raise AssertionError(f"heard {heard.clip} ({span}) instead of {clip}")

    async def follow(self, script: Sequence[Step], patience: Patience | None = None) -> CallReport:
        """Follow a script to the end of the call, and tell how it was."""
        runner = ScriptRunner(self, self.line, "User")
        await runner.run(script)
        async with asyncio.timeout(OVER_S):
            await self.closed.wait()
        return report_of(
            self.line,
            runner,
            patience or Patience(),
            call_id=self.id,
            answered=self.answered.is_set() and self._connected,
            duration_ms=self._duration_ms,
            setup_ms=self.setup_ms,
            deliveries=self.deliveries,
            network=self.media.network,
        )

    # ---- its life -------------------------------------------------------------------------------

    async def run(self, ring_s: float) -> None:
        """Be the call: media, time limits, the last webhook."""
        try:
            async with asyncio.TaskGroup() as helpers:
                helpers.create_task(self.ear.recognise(), name="meta_recognise")
                try:
                    await self._carry(ring_s)
                finally:
                    self.end(Ending("dropped", COMPLETED, "Meta", told=False))
                    self._duration_ms = self.line.now_s() * 1000
                    await self.media.close()
                    self.ear.close(self.line.now_s())
                    self.media.finished.set()
                    self.ear.end()
            if self.line.ending is not None and self.line.ending.told:
                await self._tell(self, "terminate", _terminate(self, self._answered_at))
        finally:
            self.closed.set()

    async def _carry(self, ring_s: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(self._media(), name="meta_media"),
                tasks.create_task(self._limits(ring_s), name="meta_limits"),
            ]
            await asyncio.wait({self.line.over})
            self.over.set()
            for task in work:
                task.cancel()

    async def _media(self) -> None:
        await self._described.wait()
        with contextlib.suppress(ConnectionError):
            await self.media.connect()
            self._connected = True
            self._flowing()
            await self.media.run(self._tick)

    def _flowing(self) -> None:
        """Tell whoever watches once the call is answered and its sound can flow."""
        if self._connected and self.answered.is_set():
            self.line.emit("stream_opened", stream_id=self.id, setup_ms=self.setup_ms)

    def _tick(self) -> None:
        self.ear.advance(self.line.now_s())
        self.line.wake()

    async def _limits(self, ring_s: float) -> None:
        """End what nobody answers, or what brings no sound."""
        try:
            async with asyncio.timeout(ring_s):
                await self.answered.wait()
        except TimeoutError:
            self.end(Ending("unanswered", COMPLETED, "Meta"))
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(0.5)
            since = self.media.sound_at if self.media.sound_at is not None else began
            if loop.time() - since > MEDIA_S:
                self.end(Ending("stream_failed", FAILED, "Meta"))
                return

    def echo(self) -> dict[str, str]:
        """Return what webhooks echo of what the server gave the call."""
        return {"biz_opaque_callback_data": self.reference} if self.reference else {}

    def parties(self) -> dict[str, Any]:
        """Return what every webhook says about the call."""
        theirs = self.user.lstrip("+")
        return {
            "id": self.id,
            "from": OURS if self.ours else theirs,
            "to": theirs if self.ours else OURS,
            "direction": "BUSINESS_INITIATED" if self.ours else "USER_INITIATED",
        }


def _terminate(call: MetaCall, answered_at: float | None) -> Mapping[str, Any]:
    """Return the last webhook about a call."""
    now = time.time()
    body: dict[str, Any] = {
        **call.parties(),
        "event": "terminate",
        "timestamp": str(int(now)),
        "status": call.status,
        **call.echo(),
    }
    if answered_at is not None:
        body["start_time"], body["end_time"] = str(int(answered_at)), str(int(now))
        body["duration"] = max(round(now - answered_at), 1)
    failed = call.status == FAILED.name
    errors = {"errors": [{"code": NO_MEDIA, "title": "Media timeout"}]} if failed else {}
    return {"calls": [body], **errors}
