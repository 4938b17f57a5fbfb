"""Webhooks and the API: a whole server in this process, asked as its provider or client would."""

import hmac
import json
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from fuzz.asgi import MEMORY, Asked, answered, asked
from fuzz.corpus import found, recorded
from fuzz.judge import Prepared, Wire
from fuzz.mutator import Mutator
from fwai.adapters.plivo.routes import MAX_FORM_BYTES
from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.simulator.plivo.signature import sign_v2, sign_v3
from fwai.web.route import MAX_BODY_BYTES
from fwai.wiring.app import Server, open_server

KEY: Final = "key-of-an-operator-0123456789"
BASE_URL: Final = "http://localhost:3000"
NOBODY: Final = "http://127.0.0.1:9"  # refuses at once
NUMBER_ID: Final = "PNID1"  # as in the recorded payloads
RENEWED: Final = 0.6  # share of requests that are about a call or a message of their own
PLIVO_CALL: Final = b"6f2c9d84-0a1e-4b7c-9d3f-2e5a7b8c9d01"
EXOTEL_CALL: Final = b"CallSid=c1"
API_NUMBER: Final = re.compile(rb'("\+91)9999\d{6}(?=")')
META_TIME: Final = re.compile(rb'("timestamp": ?"?)\d{10}')
META_ID: Final = re.compile(rb"wacid\.[A-Z]{3}=")
SECRET: Final = "path-s3cret-0123456789"

Sign = Callable[[Asked, Settings, random.Random], Asked]


class _House:
    """A server that is up, and how requests to it are signed."""

    def __init__(
        self, server: Server, settings: Settings, sign: Sign, chance: random.Random
    ) -> None:
        self._app = server.app
        self._settings = settings
        self._sign = sign
        self._chance = chance

    def prepare(self, message: bytes) -> Asked:
        return self._sign(asked(message), self._settings, self._chance)

    async def deliver(self, prepared: Prepared) -> bool:
        status, _ = await answered(self._app, prepared)
        return status < 400


def _settings(folder: Path) -> Settings:
    given: dict[str, object] = {
        "call_provider": "plivo,exotel,whatsapp",
        "google_api_key": "made-up",
        "gemini_live_url": NOBODY.replace("http", "ws"),
        "plivo_auth_id": "MADEMO0000000000DEMO",
        "plivo_auth_token": "made-up-token-0123456789",
        "plivo_phone_number": "+918888800000",
        "plivo_api_url": NOBODY,
        "exotel_sid": "acme1",
        "exotel_api_key": "made-up",
        "exotel_api_token": "made-up",
        "exotel_api_url": NOBODY,
        "exotel_caller_id": "08047100000",
        "exotel_webhook_secret": SECRET,
        "phone_number_id": NUMBER_ID,
        "meta_access_token": "made-up",
        "meta_app_secret": "made-up-secret-0123456789",
        "meta_verify_token": "made-up-word",
        "meta_graph_url": NOBODY,
        "public_url": BASE_URL,
        "host": "127.0.0.1",
        "port": 3000,
        "api_keys": KEY,
        "data_dir": folder,
        "database_url": f"sqlite+aiosqlite:///{folder / 'fwai.db'}",
        "transcripts_dir": folder / "transcripts",
        "prompts_file": Path(__file__).parents[2] / "prompts.json",
        "max_concurrent_calls": 8,
        "requests_per_minute": 1_000_000,
        "api_calls_per_minute": 1_000_000,
        "calls_per_caller": 10_000,
        "calls_at_once_per_caller": 1_000,
    }
    return load_settings(given, environment=False)


def _opens(sign: Sign) -> Callable[[Mutator], Any]:
    @asynccontextmanager
    async def opened(mutator: Mutator) -> AsyncIterator[_House]:
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as folder:
            settings = _settings(Path(folder))
            async with open_server(settings) as server:
                yield _House(server, settings, sign, mutator.chance)

    return opened


# ---- Plivo --------------------------------------------------------------------------------------


def _sign_plivo(one: Asked, settings: Settings, chance: random.Random) -> Asked:
    body, target = one.body, one.target
    if chance.random() < RENEWED:
        fresh = _uuid(chance)
        body, target = body.replace(PLIVO_CALL, fresh), target.replace(PLIVO_CALL, fresh)
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    url, nonce, token = (
        f"{BASE_URL}{target.decode('ascii')}",
        str(chance.getrandbits(64)),
        settings.plivo_tokens[0],
    )
    try:
        v2, v3 = sign_v2(token, nonce, url), sign_v3(token, nonce, one.method, url, fields)
    except ValueError:  # an address that is none
        v2 = v3 = "none"
    headers = [
        (b"x-plivo-signature-v3", v3.encode()),
        (b"x-plivo-signature-v3-nonce", nonce.encode()),
        (b"x-plivo-signature-v2", v2.encode()),
        (b"x-plivo-signature-v2-nonce", nonce.encode()),
    ]
    return replace(one, body=body, target=target, headers=headers)


def _uuid(chance: random.Random) -> bytes:
    digits = f"{chance.getrandbits(128):032x}"
    cuts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(cuts).encode()


def _plivo_seeds() -> Iterator[bytes]:
    for case in recorded("plivo/requests"):
        form = {name: text for name, text in case.get("form", {}).items() if isinstance(text, str)}
        body = urlencode(form, errors="surrogatepass").encode()
        path = case.get("path", "answer")
        yield f"POST /plivo/{path}?v=1 form\n".encode() + body
        yield f"GET /plivo/{path}?v=1&".encode() + body + b" form\n"
    call = f"CallUUID={PLIVO_CALL.decode()}&From=919999900001&To=918888800000&CallStatus=completed"
    for path in ("hangup", "ring", "machine", "stream-status", "transfer", "answer"):
        yield f"POST /plivo/{path}?call=20261122-ab form\n{call}&Machine=true".encode()
    report = "MessageUUID=m-1&Status=sent&ErrorCode=000&To=919999900001"
    yield f"POST /plivo/message-status?job=j-1 form\n{report}".encode()


# ---- Exotel -------------------------------------------------------------------------------------


def _sign_exotel(one: Asked, settings: Settings, chance: random.Random) -> Asked:
    body, target = one.body, one.target
    if chance.random() < RENEWED:
        fresh = b"CallSid=%016x" % chance.getrandbits(64)
        body, target = body.replace(EXOTEL_CALL, fresh), target.replace(EXOTEL_CALL, fresh)
    return replace(one, body=body, target=target)


def _exotel_seeds() -> Iterator[bytes]:
    base = f"/exotel/{SECRET}"
    for case in recorded("exotel/requests"):
        query = urlencode(case.get("query") or {}, doseq=True, errors="surrogatepass")
        path, method, body = (
            case.get("path", "voicebot"),
            case.get("method", "GET"),
            case.get("body"),
        )
        said = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        kind = (
            "json" if "json" in str(case.get("content_type")) or isinstance(body, dict) else "form"
        )
        yield f"{method} {base}/{path}?{query} {kind}\n".encode() + said.encode(
            errors="surrogatepass"
        )
        if query and method == "GET":
            yield f"POST {base}/{path} form\n{query}".encode()
    status = {
        "CallSid": "c1", "CallFrom": "09999900001", "CallTo": "08047100000",
        "Direction": "incoming", "Status": "completed", "EventType": "terminal",
        "Legs": [{"Status": "completed"}],
        "Stream": {"Status": "completed", "DisconnectedBy": "user", "Error": "None"},
    }  # fmt: skip
    sent = {
        "SmsSid": "s1",
        "Status": "sent",
        "DetailedStatus": "DELIVERED_TO_HANDSET",
        "To": "09999900001",
        "job": "j",
    }
    for path in ("voicebot", "status", "passthru", "sms-status"):
        for body in (status, sent):
            yield f"POST {base}/{path} json\n{json.dumps(body)}".encode()
            yield f"POST {base}/{path} form\n{urlencode(body)}".encode()


# ---- Meta ---------------------------------------------------------------------------------------


def _sign_meta(one: Asked, settings: Settings, chance: random.Random) -> Asked:
    body = one.body
    if chance.random() < RENEWED:
        body = META_TIME.sub(rb"\g<1>%d" % int(time.time()), body)
        body = META_ID.sub(b"wacid.%016x" % chance.getrandbits(64), body)
    key = settings.meta_app_secret.get_secret_value().encode()
    signature = hmac.new(key, body, sha256).hexdigest().encode()
    return replace(one, body=body, headers=[(b"x-hub-signature-256", b"sha256=" + signature)])


def _meta_seeds() -> Iterator[bytes]:
    files = ("connect", "terminate", "statuses", "messages", "account", "variants")
    for case in recorded(*(f"whatsapp/{name}" for name in files)):
        if "message" in case:
            yield b"POST /webhook json\n" + json.dumps(case["message"]).encode()
    yield b"GET /webhook?hub.mode=subscribe&hub.verify_token=made-up-word&hub.challenge=7 form\n"


# ---- the API ------------------------------------------------------------------------------------


def _sign_api(one: Asked, settings: Settings, chance: random.Random) -> Asked:
    headers = [(b"x-api-key", KEY.encode())]
    if chance.random() < 0.2:
        headers.append((b"idempotency-key", str(chance.randrange(1000)).encode()))
    if chance.random() < RENEWED:
        fresh = b"9999%06d" % chance.randrange(1_000_000)
        one = replace(one, body=API_NUMBER.sub(rb"\g<1>" + fresh, one.body))
    if one.path.rstrip(b"/").endswith(b"/events"):  # a stream, which does not end
        one = replace(one, target=b"/api/calls")
    return replace(one, headers=headers)


def _api_seeds() -> list[bytes]:
    """Return a request of every operation of the API, as its document shows them."""
    import asyncio

    document: dict[str, Any] = {}

    async def read() -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as folder:
            async with open_server(_settings(Path(folder))) as server:
                document.update(server.app.openapi())

    asyncio.run(read())
    return list(_operations(document))


def _operations(document: dict[str, Any]) -> Iterator[bytes]:
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        if not path.startswith("/api/"):
            continue
        where = (
            path.replace("{phone}", "+919999900007")
            .replace("{name}", "send_sms")
            .replace("{tool}", "send_sms")
        )
        where = re.sub(r"\{[a-z_]*call_id\}", "20261122-ab", where)
        where = re.sub(r"\{[^}]*\}", "cb_1", where)
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            examples = schemas.get(schema.get("$ref", "").rpartition("/")[2], {}).get(
                "examples", ()
            )
            names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            query = "?" + "&".join(f"{name}=1" for name in names) if names else ""
            if query and method == "get":
                yield f"GET {where}?limit=5 json\n".encode()
                yield f"GET {where} json\n".encode()
            for example in examples or [None]:
                body = b"" if example is None else json.dumps(example).encode()
                yield f"{method.upper()} {where}{query if not body else ''} json\n".encode() + body


def plivo_wire() -> Wire:
    seeds = [*_plivo_seeds(), *found("plivo-forms")]
    return Wire(
        "plivo-forms", Mutator.request, seeds, MAX_FORM_BYTES, _opens(_sign_plivo), False, 16
    )


def exotel_wire() -> Wire:
    seeds = [*_exotel_seeds(), *found("exotel-forms")]
    return Wire(
        "exotel-forms", Mutator.request, seeds, MAX_FORM_BYTES, _opens(_sign_exotel), False, 16
    )


def meta_wire() -> Wire:
    seeds = [*_meta_seeds(), *found("meta")]
    return Wire("meta", Mutator.request, seeds, MAX_BODY_BYTES, _opens(_sign_meta), False, 16)


def api_wire() -> Wire:
    seeds = [*_api_seeds(), *found("api")]
    return Wire("api", Mutator.request, seeds, MAX_BODY_BYTES, _opens(_sign_api), False, 16)
