"""n8n hears of every outcome: whatever the receiver does, and whatever happens to the server."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from e2e.acting_world import Bureau, bring_forward, bureau, new_secret, surroundings, until
from e2e.process import ready, server
from fwai.simulator.common.caller import HangUp, Hear, Step, Wait
from fwai.simulator.common.fate import Fate
from fwai.simulator.common.rest import ApiAnswer, ApiRequest
from fwai.simulator.common.rest_server import Arrival, RestServer

PERSON = "+919999900003"
RETRY_DELAYS_S = (5, 30, 120, 600, 1800)
LISTENS: list[Step] = [Hear("greeting"), HangUp()]


class Receiver(RestServer):
    """Somebody's webhook, which keeps every post and refuses some.

    Attributes:
        refuses: How many posts of a kind of event are still refused.
        status: What they are refused with.
    """

    def __init__(self, **refuses: int) -> None:
        super().__init__("receiver")
        self.refuses = Counter({f"call.{name}": count for name, count in refuses.items()})
        self.status = 503
        self.posts: list[Arrival] = []

    def of(self, kind: str) -> list[Arrival]:
        """Return the posts of a kind of event."""
        return [one for one in self.posts if json.loads(one.body)["type"] == kind]

    async def until(self, kind: str, count: int, within_s: float = 10.0) -> None:
        """Wait until so many posts of a kind came."""
        async with asyncio.timeout(within_s):
            while len(self.of(kind)) < count:  # noqa: ASYNC110 - a test looks on
                await asyncio.sleep(0.02)

    def _read(self, arrival: Arrival) -> ApiRequest:
        self.posts.append(arrival)
        body = json.loads(arrival.body)
        return ApiRequest(arrival.method, arrival.path, {}, body, arrival.headers)

    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        kind = request.body["type"]
        if self.refuses[kind] > 0:
            self.refuses[kind] -= 1
            return ApiAnswer(self.status, {"error": "not now"})
        return ApiAnswer(200, {})

    def _bad_request(self, text: str) -> ApiAnswer:
        return ApiAnswer(400, {"error": text})


def host(receiver: Receiver) -> str:
    return receiver.url.removeprefix("http://")


async def rings_in_vain(office: Bureau, **more: object) -> str:
    """Place a call that is busy; return its id."""
    office.house.world.provider.fate(PERSON, Fate(outcome="busy"))
    return await office.call(PERSON, **more)


async def time_passes(office: Bureau) -> float:
    """Wait for an event that was put off, and let its time come; return how long it had."""
    gaps: list[float] = []

    async def put_off() -> bool:
        gaps[:] = await asyncio.to_thread(bring_forward, office.house.folder)
        return bool(gaps)

    await until(put_off)
    office.house.server.store.jobs.notify()
    (gap_s,) = gaps
    return gap_s


# ---- a receiver that fails ----------------------------------------------------------------------


async def test_a_receiver_that_fails_five_times_gets_the_event_on_the_sixth(
    tmp_path: Path,
) -> None:
    secret = new_secret()
    async with (
        Receiver(ended=5) as hook,
        bureau(tmp_path, events_webhook_secret=secret, webhook_allowed_hosts=host(hook)) as office,
    ):
        call_id = await rings_in_vain(office, webhook_url=f"{hook.url}/ended")
        for tries, gap_s in enumerate(RETRY_DELAYS_S, 1):
            await hook.until("call.ended", tries)
            assert 0.8 * gap_s - 1.0 < await time_passes(office) <= 1.2 * gap_s
        await hook.until("call.ended", 6)
        await office.idle()

        posts = hook.of("call.ended")
        assert len(posts) == 6
        assert len({post.headers["webhook-id"] for post in posts}) == 1
        assert len({post.body for post in posts}) == 1
        for post in posts:
            told = Webhook(secret).verify(post.body, post.headers)
            assert told["data"]["call_id"] == call_id
            assert told["data"]["status"] == "busy"
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(post.body + b" ", post.headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(new_secret()).verify(post.body, post.headers)
        assert len([one for one in office.kinds(call_id) if one == "call.ended"]) == 1
        assert office.flow.refused == 0


@pytest.mark.parametrize("by", ["replay", "retry"])
async def test_what_was_refused_for_good_is_listed_and_can_be_sent_again(
    tmp_path: Path, by: str
) -> None:
    async with (
        Receiver(ended=1) as hook,
        bureau(tmp_path, webhook_allowed_hosts=host(hook)) as office,
    ):
        hook.status = 410
        call_id = await rings_in_vain(office, webhook_url=hook.url)
        await hook.until("call.ended", 1)
        await office.idle()

        (dead,) = await office.jobs("dead")
        assert (dead["kind"], dead["event_type"]) == ("event", "call.ended")
        assert (dead["call_id"], dead["attempts"]) == (call_id, 1)
        assert "410" in dead["error"]
        assert PERSON[-10:] not in json.dumps(dead)
        if by == "replay":
            answer = await office.api.post("/api/events/replay")
            assert answer.json() == {"replayed": 1, "more": False}
        else:
            answer = await office.api.post(f"/api/jobs/{dead['job_id']}/retry")
            assert answer.status_code == 200, answer.text
        await hook.until("call.ended", 2)
        await office.idle()

        assert await office.jobs("dead") == []
        first, second = hook.of("call.ended")
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert (await office.api.post(f"/api/jobs/{dead['job_id']}/retry")).status_code == 409


# ---- where events of one call go ----------------------------------------------------------------


async def test_a_calls_own_address_hears_of_that_call_only(tmp_path: Path) -> None:
    async with (
        Receiver() as hook,
        bureau(tmp_path, webhook_allowed_hosts=host(hook)) as office,
    ):
        office.house.world.provider.fate(PERSON, Fate(script=LISTENS))
        mine = await office.call(PERSON, webhook_url=f"{hook.url}/mine")
        await office.ended(mine)
        other = await office.call(PERSON)
        await office.ended(other)
        await office.idle()

        kinds = ["call.ringing", "call.answered", "call.ended"]
        assert sorted(json.loads(post.body)["type"] for post in hook.posts) == sorted(kinds)
        assert {json.loads(post.body)["data"]["call_id"] for post in hook.posts} == {mine}
        assert {post.path for post in hook.posts} == {"/mine"}
        for call_id in (mine, other):
            assert sorted(office.kinds(call_id)) == sorted(kinds)


REFUSED = (
    "https://evil.example.com/hook",
    "https://n8n.example.org.evil.example.com/hook",
    "http://n8n.example.org/hook",
    "http://10.0.0.5/hook",
    "http://127.0.0.1:9/hook",
    "http://localhost:3000/api/calls",
    "http://[::1]/hook",
    "http://169.254.169.254/latest/meta-data",
    "https://user:secret@n8n.example.org/hook",
    "ftp://n8n.example.org/hook",
    "not a url",
)


async def test_an_address_that_was_not_allowed_is_refused_and_nobody_is_called(
    tmp_path: Path,
) -> None:
    async with bureau(tmp_path, webhook_allowed_hosts="*.example.org") as office:
        for url in REFUSED:
            answer = await office.api.post("/api/calls", json={"to": PERSON, "webhook_url": url})
            assert (answer.status_code, answer.json()["field"]) == (422, "webhook_url"), url
        assert (await office.api.get("/api/calls")).json()["calls"] == []
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        accepted = await office.start(
            PERSON, webhook_url="https://n8n.example.org/hook", not_before=tomorrow
        )
        assert accepted["status"] == "scheduled"


# ---- n8n ----------------------------------------------------------------------------------------


async def test_n8n_starts_a_call_hears_its_end_and_has_a_message_sent(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        world, flow = office.house.world, office.flow
        world.provider.fate(PERSON, Fate(script=LISTENS))
        call_id = await flow.start_call(PERSON, context={"customer_name": "Asha"})
        ended = await flow.wait_event("call.ended", call_id)
        assert (ended.data["status"], ended.data["context"]["customer_name"]) == (
            "completed",
            "Asha",
        )

        answer = await flow.send_sms("Thank you for the call", call_id=call_id, key="thanks")
        assert answer["status"] == "ok"
        again = await flow.send_sms("Thank you for the call", call_id=call_id, key="thanks")
        assert again == answer
        (message,) = world.provider.messages
        assert (message.dst, message.text) == (PERSON.lstrip("+"), "Thank you for the call")
        told = await flow.wait_event("message.status", call_id)
        assert told.data["message_id"] == message.message_uuid
        assert told.data["channel"] == "sms"
        assert (flow.refused, flow.repeats) == (0, 0)


# ---- a server that dies -------------------------------------------------------------------------


async def test_the_end_of_a_call_in_which_the_server_was_killed_is_told_after_the_restart(
    tmp_path: Path,
) -> None:
    async with surroundings(tmp_path) as around:
        flow = around.flow
        around.world.provider.fate(PERSON, Fate(script=[Hear("greeting"), Wait(20_000)]))
        with server(tmp_path, around.port, **around.values) as process:
            await ready(around.port)
            call_id = await flow.start_call(PERSON)
            await flow.wait_event("call.answered", call_id)
            await asyncio.sleep(5.5)  # the greeting is heard and written down
            process.kill()
            process.wait(10)
        assert "call.ended" not in [event.kind for event in flow.events]
        with server(tmp_path, around.port, **around.values):
            await ready(around.port)
            ended = await flow.wait_event("call.ended", call_id)
            await asyncio.sleep(1.0)

        assert (ended.data["status"], ended.data["end_reason"]) == ("failed", "server_crashed")
        said = " ".join(line["text"] for line in ended.data["transcript"])
        assert said.startswith("Hello, this is Asha")
        assert [event.kind for event in flow.events].count("call.ended") == 1
        assert len(around.world.provider.calls) == 1
        assert flow.refused == 0
