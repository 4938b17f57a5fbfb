"""Serves Gemini's generateContent on the simulator's port, with answers that fit a schema.

Source: https://ai.google.dev/api/generate-content and google-genai 3.4.0 (read 2026-11-22).

Theory of operation: a request is judged as the service would (key, model, shape), then it fails if
a fault is due, else it is answered by the next of ``answers``, by ``rule``, or by ``compose``: a
summary of the transcript in the prompt, poured into the schema. The same request gets the same
answer.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fwai.simulator.common.rest import (
    ApiAnswer,
    BadRequestError,
    Receive,
    Scope,
    Send,
    hang,
    read_body,
    write_answer,
)
from fwai.simulator.gemini.schema import fitting
from fwai.simulator.gemini.wire import camel

KEEP: Final = 1000
HANG_S: Final = 60.0
CHARS_PER_TOKEN: Final = 4
MAX_QUOTED: Final = 160
_PATH: Final = re.compile(r"(?:/.*)?/v1(?:beta|alpha)?/models/([^/:]+):(\w+)")
_LINE: Final = re.compile(
    r"^[\W\d]*(caller|customer|user|agent|assistant|model)\b"
    r"[*_ \t]*(?:\([^)\n]*\)|\[[^\]\n]*\])?[*_ \t]*:\s*(.+)$",
    re.IGNORECASE | re.MULTILINE,
)
_CALLER: Final = frozenset({"caller", "customer", "user"})
_KNOWN: Final = frozenset(
    {
        "contents", "systemInstruction", "generationConfig", "safetySettings", "tools",
        "toolConfig", "cachedContent", "labels", "serviceTier", "store",
    }
)  # fmt: skip
_UNAVAILABLE: Final = "The model is overloaded. Please try again later."

TextFault = Literal[
    "quota", "internal", "unavailable", "hang", "malformed", "truncated", "empty", "blocked"
]
"""``quota`` 429, ``internal`` 500, ``unavailable`` 503, ``hang`` (no answer for 60 s). The others
are answered with 200: text that is no JSON, text that breaks off (``MAX_TOKENS``), a candidate
without text, a prompt that was refused (no candidate)."""

_ERRORS: Final[Mapping[str, tuple[int, str, str]]] = {
    "quota": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "internal": (500, "INTERNAL", "An internal error has occurred. Please retry."),
    "unavailable": (503, "UNAVAILABLE", _UNAVAILABLE),
}


@dataclass(slots=True)
class TextRequest:
    """A valid generateContent request.

    Attributes:
        model: As in the path.
        text: All text of ``contents``.
        system: Text of the system instruction.
        config: ``generationConfig``.
        body: The whole request.
        status: What it was answered with; None while it is not.
    """

    model: str
    text: str
    system: str
    config: Mapping[str, Any]
    body: Mapping[str, Any] = field(repr=False)
    status: int | None = None

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The schema of the answer, in either of its two spellings, or None."""
        found = self.config.get("responseSchema") or self.config.get("responseJsonSchema")
        return found if isinstance(found, Mapping) else None

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be JSON."""
        return self.config.get("responseMimeType") == "application/json"


Rule = Callable[[TextRequest], str | None]
"""Answers a request with text, or with None when it is not its business."""


class TextService:
    """Answers generateContent requests; an ASGI application.

    Args:
        api_key: The only key that is let in; None lets in any, but not none.

    Attributes:
        requests: The last 1000 requests that were let in.
        answers: What the next requests are answered with, first come first served; an object is
            sent as JSON.
        rule: Asked when ``answers`` is empty.
    """

    def __init__(self, api_key: str | None = None) -> None:
        self.requests: deque[TextRequest] = deque(maxlen=KEEP)
        self.answers: deque[str | Mapping[str, Any]] = deque(maxlen=KEEP)
        self.rule: Rule | None = None
        self._api_key = api_key
        self._faults: deque[TextFault] = deque(maxlen=KEEP)

    def fail(self, fault: TextFault, times: int = 1) -> None:
        """Let the next requests fail; faults strike in the order they were asked for."""
        self._faults.extend([fault] * times)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        try:
            raw = await read_body(receive)
        except BadRequestError as exc:
            await write_answer(send, _error(400, "INVALID_ARGUMENT", str(exc)))
            return
        judged = self._judge(scope["path"], headers.get("x-goog-api-key", ""), raw)
        if isinstance(judged, ApiAnswer):
            await write_answer(send, judged)
            return
        self.requests.append(judged)
        fault = self._faults.popleft() if self._faults else None
        if fault == "hang":
            await hang(receive, HANG_S)
            return
        answer = self._answer(judged, fault)
        judged.status = answer.status
        await write_answer(send, answer)

    # ---- judging -------------------------------------------------------------------------------

    def _judge(self, path: str, key: str, raw: bytes) -> TextRequest | ApiAnswer:
        if not key:
            text = "Method doesn't allow unregistered callers."
            return _error(403, "PERMISSION_DENIED", text)
        if self._api_key not in (None, key):
            return _error(400, "INVALID_ARGUMENT", "API key not valid.", "API_KEY_INVALID")
        found = _PATH.fullmatch(path)
        if found is None or found[2] != "generateContent":
            return _error(404, "NOT_FOUND", "")
        model = found[1]
        if not model.startswith(("gemini", "gemma")) or "live" in model or "audio" in model:
            text = f"models/{model} is not found, or is not supported for generateContent."
            return _error(404, "NOT_FOUND", text)
        try:
            body = _object(raw)
            return TextRequest(
                model,
                _text_of(body.get("contents"), "contents"),
                _text_of(body.get("systemInstruction") or [], "systemInstruction"),
                _config(body),
                body,
            )
        except BadRequestError as exc:
            return _error(400, "INVALID_ARGUMENT", str(exc))

    # ---- answering -----------------------------------------------------------------------------

    def _answer(self, request: TextRequest, fault: TextFault | None) -> ApiAnswer:
        if fault is not None and fault in _ERRORS:
            return _error(*_ERRORS[fault])
        if fault == "blocked":
            prompt = _tokens(request.system + request.text)
            usage = {"promptTokenCount": prompt, "totalTokenCount": prompt}
            feedback = {"blockReason": "PROHIBITED_CONTENT"}
            return ApiAnswer(200, {"promptFeedback": feedback, "usageMetadata": usage})
        text, reason = self._words(request), "STOP"
        if fault == "malformed":
            text = f"Here is the answer:\n{text.rstrip('}')}"
        elif fault == "truncated":
            text, reason = text[: len(text) // 2], "MAX_TOKENS"
        elif fault == "empty":
            text = ""
        return ApiAnswer(200, _reply(request, text, reason))

    def _words(self, request: TextRequest) -> str:
        if self.answers:
            given = self.answers.popleft()
            return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        ruled = self.rule(request) if self.rule is not None else None
        return compose(request) if ruled is None else ruled


def compose(request: TextRequest) -> str:
    """Return the answer to a request that nothing else answers: a summary, in the schema asked for.

    The summary quotes what the caller said first and the agent last in the transcript, of which
    each line is a role, a colon and words; a time may stand before or after the role.
    """
    summary = summarise(request.text)
    if not request.wants_json:
        return summary
    schema = request.schema or {"type": "OBJECT", "properties": {"summary": {"type": "STRING"}}}
    return json.dumps(fitting(schema, summary), ensure_ascii=False)


def summarise(text: str) -> str:
    """Return two sentences at most about the transcript in ``text``."""
    lines = [(role.lower() in _CALLER, said.strip()) for role, said in _LINE.findall(text)]
    caller = [said for is_caller, said in lines if is_caller]
    agent = [said for is_caller, said in lines if not is_caller]
    sentences = []
    if caller:
        sentences.append(f"The caller said: {_quoted(caller[0])}")
    if agent:
        sentences.append(f"The agent said last: {_quoted(agent[-1])}")
    return " ".join(sentences) or "Nobody said anything."


def _quoted(text: str) -> str:
    return text[:MAX_QUOTED].rstrip(" .") + "."


def _reply(request: TextRequest, text: str, reason: str) -> dict[str, Any]:
    prompt, said = _tokens(request.system + request.text), _tokens(text)
    parts = {"parts": [{"text": text}]} if text else {}
    return {
        "candidates": [{"content": {**parts, "role": "model"}, "finishReason": reason, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": prompt,
            "candidatesTokenCount": said,
            "totalTokenCount": prompt + said,
        },
        "modelVersion": request.model,
        "responseId": f"sim-{prompt}-{said}",
    }


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)


def _error(status: int, name: str, text: str, reason: str = "") -> ApiAnswer:
    """Return an error as Google words it."""
    error: dict[str, Any] = {"code": status, "message": text, "status": name}
    if reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": reason, "domain": "googleapis.com"}]
    return ApiAnswer(status, {"error": error})


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise BadRequestError("Invalid JSON payload received.") from exc
    if not isinstance(body, dict):
        raise BadRequestError("Invalid JSON payload received. Root element must be a message.")
    body = {camel(name): value for name, value in body.items()}
    for name in body.keys() - _KNOWN:
        raise BadRequestError(f'Invalid JSON payload received. Unknown name "{name}"')
    return body


def _config(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("generationConfig") or {}
    if not isinstance(given, dict):
        raise BadRequestError("generation_config must be a message")
    config = {camel(name): value for name, value in given.items()}
    if config.get("responseSchema") and config.get("responseMimeType") != "application/json":
        raise BadRequestError("response_schema needs response_mime_type application/json")
    return config


def _text_of(contents: object, name: str) -> str:
    """Return the text of one content or several.

    Raises:
        BadRequestError: There is nothing, or it is no content.
    """
    if contents is None or (name == "contents" and not contents):
        raise BadRequestError(f"{name} is not specified")
    found: list[str] = []
    for content in contents if isinstance(contents, list) else [contents]:
        parts = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(parts, list) or not parts:
            raise BadRequestError(f"{name}.parts must not be empty")
        found += [str(part.get("text", "")) for part in parts if isinstance(part, dict)]
    return "\n".join(found)
