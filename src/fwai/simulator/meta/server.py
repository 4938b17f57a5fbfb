"""Simulates WhatsApp for one number: Graph API, webhooks, and users with real sound.

Theory of operation: each call is a `MetaCall` in the task group of the Graph API's server, and what
happens to it is posted to the webhook of the server under test, signed.
Messages are accepted and their statuses reported. Faults are scripted: an `ApiFault` strikes
requests, `NetworkConditions` strikes sound, a `MessageFate` strikes messages, and `post` sends any
payload at all. Leaving the context ends every call.

Source: Meta's Calling API reference, 2026-06; read 2026-11-22.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from fwai.simulator.common.caller import CallReport, Delivery, Patience, Step
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.line import EventSink
from fwai.simulator.common.report import prepared
from fwai.simulator.common.rest import ApiAnswer, ApiRequest
from fwai.simulator.common.rest_server import KEEP
from fwai.simulator.common.voice import Repertoire
from fwai.simulator.meta.graph import GraphApi, meta_error
from fwai.simulator.meta.messages import MessageFate, MetaMessages, SentMessage
from fwai.simulator.meta.network import NetworkConditions
from fwai.simulator.meta.phone import OURS, MetaCall
from fwai.simulator.meta.webhooks import MetaWebhooks

__all__ = ["MetaSimulator", "OnCall", "meta_error"]

_DONE: Final = {"messaging_product": "whatsapp", "success": True}

OnCall = Callable[[MetaCall], Coroutine[Any, Any, Any]]


class MetaSimulator(GraphApi):
    """Simulates Meta for one number; use as an async context manager.

    Args:
        webhook_url: The server's ``/webhook``.
        app_secret: Signs webhooks.
        token: The access token that is taken.
        phone_number_id: The only number.
        ring_s: How long an unanswered call lasts.
        on_call: Plays the user of each call that the server places; rings for ever without it.
        clips: Phrases to say and recognise; the shipped ones by default.

    Attributes:
        calls: All calls by id.
        messages: Bodies of the messages that were accepted, the last 1000.
        permission: What is answered about permission to call.
        webhooks: Where webhooks go.
    """

    def __init__(
        self,
        webhook_url: str,
        app_secret: str,
        token: str,
        phone_number_id: str = "PNID1",
        *,
        ring_s: float = 30.0,
        on_call: OnCall | None = None,
        clips: ClipLibrary | Repertoire | None = None,
    ) -> None:
        super().__init__(token, phone_number_id)
        self.calls: dict[str, MetaCall] = {}
        self.messages: deque[Mapping[str, Any]] = deque(maxlen=KEEP)
        self.permission: Mapping[str, Any] = {
            "permission": {"status": "permanent"},
            "actions": [{"action_name": "start_call", "can_perform_action": True}],
        }
        self.webhooks = MetaWebhooks(webhook_url, app_secret, phone_number_id, OURS)
        self._outbox = MetaMessages(lambda value: self.tell(value, "messages"))
        self._ring_s = ring_s
        self._on_call = on_call
        self._clips = clips

    @property
    def live_calls(self) -> list[str]:
        """Ids of the calls that are going on."""
        return [call.id for call in self.calls.values() if not call.over.is_set()]

    @property
    def violations(self) -> list[str]:
        """Rules that the server broke in any call."""
        return [rule for call in self.calls.values() for rule in call.violations]

    @property
    def deliveries(self) -> deque[tuple[int, float]]:
        """Status and seconds of each webhook, the last 1000."""
        return self.webhooks.deliveries

    @property
    def sent_messages(self) -> list[SentMessage]:
        """Messages that were accepted, with what was reported of each; the last 1000."""
        return list(self._outbox.sent)

    @property
    def fates(self) -> deque[MessageFate]:
        """What becomes of the next messages, in order; append a ``MessageFate``."""
        return self._outbox.fates

    # ---- users ----------------------------------------------------------------------------------

    async def call(
        self,
        user: str = "919900000001",
        *,
        network: NetworkConditions | None = None,
        repeats: int = 1,
        age_s: float = 0.0,
        without: tuple[str, ...] = (),
        on_event: EventSink | None = None,
    ) -> MetaCall:
        """Have a user call the server.

        Args:
            user: Digits of the number.
            network: What happens to the sound.
            repeats: How often the webhook is posted.
            age_s: How old it says it is.
            without: Fields that are left out, such as ``from`` or ``direction``.
            on_event: Called as ``on_event(kind, **facts)`` while the call goes on.

        Raises:
            StoreError: The shipped phrases are incomplete.
        """
        call = await self._begin(user, ours=False, network=network, on_event=on_event)
        session = {"sdp_type": "offer", "sdp": call.media.description()}
        body = {
            **call.parties(),
            "event": "connect",
            "timestamp": str(int(time.time() - age_s)),
            "session": session,
        }
        for name in without:
            body.pop(name, None)
        self._start(call.run(self._ring_s), f"meta:{call.id}")
        for _ in range(repeats):
            await self._tell_of(call, "connect", {"calls": [body]})
        return call

    async def answer(
        self,
        call: MetaCall,
        script: Sequence[Step],
        patience: Patience | None = None,
        *,
        after_s: float = 0.3,
    ) -> CallReport:
        """Have the user pick up a call of the server's and follow a script; for ``on_call``."""
        await asyncio.sleep(after_s)
        await self.status(call, "ACCEPTED")
        return await call.follow(script, patience)

    async def tell(self, value: Mapping[str, Any], field: str = "calls") -> int:
        """Post a webhook about our number; return the server's status, 0 when there was none."""
        return (await self.webhooks.tell(value, field))[0]

    async def post(self, payload: object, signature: str | None = None) -> int:
        """Post anything; return the server's status, 0 when there was none."""
        return (await self.webhooks.post(payload, signature))[0]

    async def status(self, call: MetaCall, status: str) -> None:
        """Post a status of a call of the server's; ``ACCEPTED`` picks it up."""
        if status == "ACCEPTED":
            call.pick_up()
        one = {"id": call.id, "type": "call", "status": status, "recipient_id": call.user}
        at = {"timestamp": str(int(time.time()))}
        await self._tell_of(call, status.lower(), {"statuses": [{**one, **at, **call.echo()}]})
        if status == "REJECTED":
            call.hang_up()

    async def message_status(self, message: SentMessage, status: str, error: int = 0) -> None:
        """Post a status of a message beyond its fate, such as ``read``."""
        await self._outbox.report(message, status, error)

    # ---- its life -------------------------------------------------------------------------------

    async def _close(self) -> None:
        await self.webhooks.close()

    async def _begin(
        self,
        user: str,
        *,
        ours: bool,
        network: NetworkConditions | None = None,
        on_event: EventSink | None = None,
    ) -> MetaCall:
        repertoire = await asyncio.to_thread(prepared, self._clips)
        call = MetaCall(
            user,
            ours=ours,
            tell=self._tell_of,
            repertoire=repertoire,
            network=network,
            on_event=on_event,
        )
        await call.media.open()
        self.calls[call.id] = call
        return call

    async def _tell_of(self, call: MetaCall, kind: str, value: Mapping[str, Any]) -> None:
        """Post about a call and keep how that went."""
        status, seconds = await self.webhooks.tell(value, "calls")
        error = "" if status else "no answer"
        call.deliveries.append(Delivery(kind, status or None, seconds * 1000, error))

    # ---- Graph ----------------------------------------------------------------------------------

    async def _act(self, request: ApiRequest) -> ApiAnswer:
        match request.method, request.path:
            case "POST", "calls":
                return await self._call(request.body)
            case "POST", "messages":
                return self._message(request.body)
            case "GET", "call_permissions":
                return ApiAnswer(200, dict(self.permission))
            case "GET", "settings":
                return ApiAnswer(200, {"calling": {"status": "ENABLED"}})
            case _:
                return meta_error(100, 400, "unknown path")

    async def _call(self, body: Mapping[str, Any]) -> ApiAnswer:
        action, session = body.get("action"), body.get("session") or {}
        if action == "connect":
            return await self._place(body, session)
        if action not in ("pre_accept", "accept", "reject", "terminate"):
            return meta_error(100, 400, f"unknown action {action}")
        call = self.calls.get(str(body.get("call_id")))
        if call is None:
            return meta_error(100, 400, "unknown call")
        if action in ("pre_accept", "accept") and session.get("sdp_type") != "answer":
            return meta_error(100, 400, "sdp_type must be answer")
        call.reference = str(body.get("biz_opaque_callback_data") or call.reference)
        wrong = call.act(action, str(session.get("sdp", "")))
        return meta_error(100, 400, wrong) if wrong else ApiAnswer(200, dict(_DONE))

    async def _place(self, body: Mapping[str, Any], session: Mapping[str, Any]) -> ApiAnswer:
        user = str(body.get("to") or body.get("recipient") or "")
        if not user or session.get("sdp_type") != "offer":
            return meta_error(100, 400, "to and an offer are needed")
        actions = self.permission.get("actions") or ()
        if not any(
            one["action_name"] == "start_call" and one["can_perform_action"] for one in actions
        ):
            return meta_error(138006, 401, "no permission")
        call = await self._begin(user, ours=True)
        call.reference = str(body.get("biz_opaque_callback_data") or "")
        if wrong := call.dialled(str(session.get("sdp", ""))):
            call.media.violate(wrong)
            call.hang_up()
            await call.media.close()
            return meta_error(100, 400, wrong)
        self._start(call.run(self._ring_s), f"meta:{call.id}")
        self._start(self._ring(call), f"meta_user:{call.id}")
        answer = {"messaging_product": "whatsapp", "calls": [{"id": call.id}]}
        return ApiAnswer(200, answer)

    async def _ring(self, call: MetaCall) -> None:
        """Let a call of the server's ring, with Meta's answer to its offer."""
        session = {"sdp_type": "answer", "sdp": call.media.description(answer=True)}
        connect = {**call.parties(), "event": "connect", "session": session, **call.echo()}
        connect["timestamp"] = str(int(time.time()))
        await self._tell_of(call, "connect", {"calls": [connect]})
        await self.status(call, "RINGING")
        if self._on_call is not None:
            await self._on_call(call)

    def _message(self, body: Mapping[str, Any]) -> ApiAnswer:
        if wrong := self._outbox.wrong_with(body):
            return meta_error(131008, 400, wrong)
        self.messages.append(body)
        message = self._outbox.take(body)
        self._start(self._outbox.follow(message), f"meta:{message.id}")
        contact = {"input": message.to, **({"wa_id": message.to} if body.get("to") else {})}
        reply = {"messaging_product": "whatsapp", "contacts": [contact]}
        return ApiAnswer(200, {**reply, "messages": [{"id": message.id}]})
