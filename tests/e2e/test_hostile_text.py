"""What is no text, in every text field of every webhook and of every body of the API.

The fields are those of the recorded valid messages: each string in them is replaced in turn. The
server answers, nothing ends, the database takes what is kept, and a call beside it goes on.
"""

import asyncio
import contextlib
import copy
import hmac
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from structlog.testing import capture_logs

from e2e.house import House, running
from fwai.simulator.common.caller import CallReport, HangUp, Hear, Say, Step
from fwai.simulator.plivo.signature import PlivoSigner
from postgres import drop_database, fresh_database

pytestmark = pytest.mark.timeout(240)

CONTRACT = Path(__file__).parents[1] / "contract"
TALK: list[Step] = [Hear("greeting"), Say("ask_ai"), Hear("ai_answer"), HangUp()]
HOSTILE = {
    "half a surrogate": "As\ud800ha",
    "NUL": "As\x00ha",
    "override": "As\u202eha",
    "separator": "As\u2028ha",
    "ESC": "As\x1b[2Jha",
    "100 kB": "x" * 100_000,
}
FEW = ("half a surrogate", "NUL", "100 kB")
ENDS_NOTHING = {"request_failed", "task_failed", "webhook_event_failed", "call_failed"}
Build = Callable[[str], object]
Walk = tuple[str, Build]

KEY = "0123456789abcdef0123"


def leaves(body: object, path: str = "") -> Iterator[Walk]:
    """Yield every text of ``body``: where it is, and what builds the body with another there."""
    match body:
        case str():
            yield path, str
        case dict():
            for name, inner in body.items():
                for place, build in leaves(inner, f"{path}.{name}"):
                    yield place, partial(_with_value, body, name, build)
        case list():
            for index, inner in enumerate(body):
                for place, build in leaves(inner, f"{path}[]"):
                    yield place, partial(_with_item, body, index, build)
        case _:
            return


def _with_value(body: dict[str, object], name: str, build: Build, text: str) -> object:
    return {**body, name: build(text)}


def _with_item(body: list[object], index: int, build: Build, text: str) -> object:
    return [*body[:index], build(text), *body[index + 1 :]]


def distinct(bodies: list[object]) -> list[Walk]:
    """Return the texts of all bodies, each place once."""
    found: dict[str, Build] = {}
    for body in bodies:
        for place, build in leaves(body):
            found.setdefault(place, build)
    return list(found.items())


def recorded(name: str, key: str) -> list[Any]:
    cases = json.loads((CONTRACT / name).read_text("utf-8"))[key]
    return [case for case in cases if isinstance(case, dict)]


def raw_form(form: dict[str, str]) -> bytes:
    """Encode a form as whoever does not look would: half a surrogate as its three bytes."""
    return urlencode(form, errors="surrogatepass").encode()


class Storm:
    """Sends hostile text to one server, and keeps what was answered."""

    def __init__(self, house: House, http: httpx.AsyncClient) -> None:
        self._settings = house.world.settings
        self._signer = PlivoSigner(self._settings.plivo_tokens[0])
        self._http = http
        self.answers: list[tuple[str, str, int]] = []

    async def plivo(self) -> None:
        cases = recorded("plivo/requests.json", "requests")
        for path in ("answer", "hangup", "ring", "machine", "stream-status", "transfer"):
            forms: list[object] = [
                {name: text for name, text in case["form"].items() if isinstance(text, str)}
                for case in cases
            ]
            for place, build in distinct(forms):
                for kind, text in HOSTILE.items():
                    if kind not in FEW and path not in ("answer", "hangup"):
                        continue  # the same reader
                    form = dict(build(text))  # type: ignore[call-overload]
                    if place != ".CallUUID" and "CallUUID" in form:
                        form["CallUUID"] = str(uuid.uuid4())
                    await self._plivo_post(path, form, place, kind)
                    if path == "answer" and "CallUUID" in form and place != ".CallUUID":
                        ended = {"CallUUID": form["CallUUID"], "CallStatus": "completed"}
                        await self._plivo_post("hangup", ended, place, "end")
        report = {"MessageUUID": "m-1", "Status": "sent", "ErrorCode": "000", "To": "1"}
        for place, build in leaves(report):
            for kind, text in HOSTILE.items():
                form = dict(build(text))  # type: ignore[call-overload]
                await self._plivo_post("message-status", form, place, kind)

    async def _plivo_post(self, path: str, form: dict[str, str], place: str, kind: str) -> None:
        where = f"/plivo/{path}?v=1"
        said = {
            name.encode(errors="surrogatepass").decode(errors="replace"): text.encode(
                errors="surrogatepass"
            ).decode(errors="replace")
            for name, text in form.items()
        }
        url = f"{self._settings.base_url}{where}"
        sign = self._signer.message if path == "message-status" else self._signer.voice
        headers = {
            **sign("POST", url, said),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = await self._http.post(where, content=raw_form(form), headers=headers)
        self._keep(f"plivo {path} {place}", kind, answer)

    async def exotel(self) -> None:
        base = f"/exotel/{self._settings.exotel_webhook_secret.get_secret_value()}"
        bodies: list[object] = [
            {
                "CallSid": "c1", "CallFrom": "09999900001", "CallTo": "08047100000",
                "Direction": "incoming", "Status": "completed", "EventType": "terminal",
                "Stream": {"Status": "completed", "DisconnectedBy": "user", "Error": "None"},
                "Legs": [{"Status": "completed"}], "CustomField": "a", "AccountSid": "",
            },
            {
                "SmsSid": "s1", "Status": "sent", "DetailedStatus": "DELIVERED_TO_HANDSET",
                "DetailedStatusCode": "0", "To": "09999900001", "job": "j-1",
            },
        ]  # fmt: skip
        for place, build in distinct(bodies):
            for kind, text in HOSTILE.items():
                body = dict(build(text))  # type: ignore[call-overload]
                if "CallSid" in body and place != ".CallSid":
                    body["CallSid"] = secrets.token_hex(8)
                raw = json.dumps(body).encode()
                query = {name: value for name, value in body.items() if isinstance(value, str)}
                for path in ("voicebot", "status", "sms-status", "passthru"):
                    headers = {"Content-Type": "application/json"}
                    answer = await self._http.post(f"{base}/{path}", content=raw, headers=headers)
                    self._keep(f"exotel {path} {place}", kind, answer)
                    if kind != "100 kB":
                        where = f"{base}/{path}?{raw_form(query).decode()}"
                        answer = await self._http.get(where)
                        self._keep(f"exotel GET {path} {place}", kind, answer)

    async def whatsapp(self) -> None:
        files = ("connect", "terminate", "statuses", "messages", "account")
        payloads = [
            case["message"]
            for name in files
            for case in recorded(f"whatsapp/{name}.json", "messages")
        ]
        for place, build in distinct(payloads):
            for kind, text in HOSTILE.items():
                payload = copy.deepcopy(build(text))
                _renew(payload, place, self._settings.phone_number_id)
                raw = json.dumps(payload).encode()
                key = self._settings.meta_app_secret.get_secret_value().encode()
                signature = f"sha256={hmac.new(key, raw, sha256).hexdigest()}"
                headers = {"X-Hub-Signature-256": signature}
                answer = await self._http.post("/webhook", content=raw, headers=headers)
                self._keep(f"whatsapp {place}", kind, answer)

    async def api(self, document: dict[str, Any]) -> None:
        for path, method, example in _examples(document):
            where = path.replace("{phone}", "+919999900007").replace("{name}", "send_sms")
            where = where.replace("{tool}", "send_sms")
            where = where.replace("{call_id}", "20261122-ab").replace("{callback_id}", "cb_1")
            for place, build in leaves(example):
                for kind, text in HOSTILE.items():
                    raw = json.dumps(build(text)).encode()
                    headers = {"Content-Type": "application/json"}
                    answer = await self._http.request(method, where, content=raw, headers=headers)
                    self._keep(f"api {method} {path} {place}", kind, answer)
                    if kind != "100 kB" and answer.status_code not in (404, 409):
                        assert answer.status_code == 422, (path, place, kind, answer.text)
                        named = answer.json()["field"]
                        assert named, answer.text
                        assert place.split(".")[1] in named, (place, named)

    def _keep(self, what: str, kind: str, answer: httpx.Response) -> None:
        self.answers.append((what, kind, answer.status_code))


def _renew(payload: object, place: str, number_id: str) -> None:
    """Make what is not under test a new call or message of now, at our own number."""
    match payload:
        case dict():
            for name, value in payload.items():
                if name == "phone_number_id" and not place.endswith("phone_number_id"):
                    payload[name] = number_id
                elif name == "timestamp" and not place.endswith("timestamp"):
                    payload[name] = str(int(time.time()))
                elif name == "id" and not place.endswith("].id"):
                    payload[name] = f"wacid.{secrets.token_hex(8)}"
                else:
                    _renew(value, place, number_id)
        case list():
            for one in payload:
                _renew(one, place, number_id)
        case _:
            return


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, str, object]]:
    """Yield path, method and an example of every body of the API."""
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            name = schema.get("$ref", "").rpartition("/")[2]
            for example in schemas.get(name, {}).get("examples", ())[-1:]:
                if path.startswith("/api/") and example:
                    yield path, method.upper(), example


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'fwai.db'}"
        return
    made = fresh_database("hostile")
    yield made
    drop_database(made)


@asynccontextmanager
async def neighbour(house: House) -> AsyncIterator[list[CallReport]]:
    """Call again and again while the block runs; the reports of the calls."""
    reports: list[CallReport] = []
    over = asyncio.Event()

    async def talk() -> None:
        while not over.is_set():
            reports.append(await house.world.phone(number="+919999900001").call(TALK))

    async with asyncio.TaskGroup() as group:
        group.create_task(talk())
        await asyncio.sleep(2)  # it is in the middle of a call
        yield reports
        over.set()


async def test_no_text_of_anybody_ends_or_stops_anything(tmp_path: Path, database_url: str) -> None:
    providers = ("plivo", "exotel", "whatsapp")
    with capture_logs() as logs:
        async with (
            running(
                tmp_path,
                database_url=database_url,
                call_provider=providers,
                max_concurrent_calls=50,
                api_keys=KEY,
            ) as house,
            httpx.AsyncClient(base_url=house.url, timeout=30, headers={"X-API-Key": KEY}) as http,
        ):
            storm = Storm(house, http)
            async with neighbour(house) as reports:
                for part in (storm.whatsapp, storm.exotel, storm.plivo):
                    began = time.monotonic()
                    await part()
                    print(f"{part.__name__}: {time.monotonic() - began:.1f} s")
                await storm.api(house.server.app.openapi())
            alive = await http.get("/readyz")
            kept = await http.get("/api/calls?limit=100")
            with contextlib.suppress(TimeoutError):
                await house.server.store.writer.flush()

    # How it sounds in the same process as the storm and both ends is the machine's.
    assert {(one.answered, one.ended_by, bool(one.heard)) for one in reports} == {
        (True, "caller", True)
    }
    assert (alive.status_code, kept.status_code) == (200, 200)
    assert "failures" not in alive.json() or not alive.json()["failures"], alive.text
    wrong = [one for one in storm.answers if one[2] >= 500 and one[2] != 503]
    assert wrong == []
    assert len({what for what, _, _ in storm.answers}) > 150
    assert [line for line in logs if line["event"] in ENDS_NOTHING] == []
    broken = [line for line in logs if "exception" in line or "exc_info" in line]
    assert broken == []
    assert kept.json()["calls"]
