"""Calls a workflow, such as n8n's, by one signed POST and parses its answer for the model.

The model gets the answer, so it is bounded in every direction: bytes, depth, characters.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx

from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.webhook_client import SignedPoster, WebhookResponse

MAX_TEXT_CHARS: Final = 2000
MAX_DATA_CHARS: Final = 8000
MAX_DEPTH: Final = 8
_NAME: Final = "webhook"
_TEXT_FIELDS: Final = ("message", "text", "output")


@dataclass(frozen=True, slots=True)
class WorkflowAnswer:
    """A workflow's answer.

    Attributes:
        text: Text for the model, at most `MAX_TEXT_CHARS`; empty if it gave data only.
        data: Structured data beside it, at most `MAX_DATA_CHARS` as JSON; fields that do not fit
            are left out.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


class WorkflowClient:
    """Calls workflows without retries, because they may not be idempotent.

    Args:
        http: A client of its own, as `webhook_http` makes it; not closed here.
        signer: Signs every call.
        guard: Decides where it may go.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        signer: Signer,
        guard: UrlGuard,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._poster = SignedPoster(http, signer, guard, now)

    async def call(
        self, url: str, message_id: str, payload: Mapping[str, Any], timeout_s: float
    ) -> WorkflowAnswer:
        """Post ``payload`` as JSON and parse the answer.

        Args:
            url: The workflow's webhook.
            message_id: The same if the same call is repeated.
            payload: Its input.
            timeout_s: For everything together.

        Raises:
            ApiError: Not carried out (``retryable`` if nothing was sent), or it answered in a way
                that cannot be read (status 2xx).
            ApiUnknownError: It may have been carried out.
        """
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False)
        answer = await self._poster.send(
            url, message_id, body.encode("utf-8", "replace"), timeout_s=timeout_s, read=True
        )
        _check_status(answer)
        if not answer.complete:
            raise _unreadable(answer, "longer than 64 KB")
        try:
            return parse_answer(
                answer.headers.get("content-type", ""),
                answer.headers.get("content-encoding", "identity"),
                answer.body,
            )
        except ValueError as exc:
            raise _unreadable(answer, str(exc)) from exc


def parse_answer(content_type: str, encoding: str, body: bytes) -> WorkflowAnswer:
    """Parse an answer's body to text and data.

    An object's ``message``, ``text`` or ``output`` is the text and the rest the data; a list of one
    object is that object, as n8n answers with its last node; a string or plain text is the text.

    Raises:
        ValueError: It is none of these; the text says what it is, never what is in it.
    """
    if encoding.strip().lower() not in ("", "identity"):
        raise ValueError("compressed; answer uncompressed")
    if not body.strip():
        return WorkflowAnswer("")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/plain":
        return WorkflowAnswer(_truncate(body.decode("utf-8", "replace").strip()))
    if kind != "application/json" and not kind.endswith("+json"):
        raise ValueError("neither JSON nor plain text")
    content = _json(body)
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if isinstance(content, str):
        return WorkflowAnswer(_truncate(content.strip()))
    if isinstance(content, dict):
        return _from_object(content)
    raise ValueError("JSON, but neither one object nor a string")


def _from_object(content: Mapping[str, Any]) -> WorkflowAnswer:
    name = next(
        (name for name in _TEXT_FIELDS if isinstance(content.get(name), str)),
        None,
    )
    text = content[name].strip() if name is not None else ""
    data, left = {}, MAX_DATA_CHARS
    for key, value in content.items():
        size = len(json.dumps({key: value}, ensure_ascii=False))
        if key == name or size > left:
            continue
        data[key] = value
        left -= size
    return WorkflowAnswer(_truncate(text), data)


def _json(body: bytes) -> object:
    try:
        content: object = json.loads(body, parse_constant=_reject_constant)
        # A lone surrogate is legal in JSON's escapes and in nothing that is written afterwards.
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    if _deeper_than(content, MAX_DEPTH):
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    return content


def _reject_constant(name: str) -> object:
    raise ValueError(name)


def _deeper_than(content: object, depth: int) -> bool:
    if isinstance(content, dict):
        return depth == 0 or any(_deeper_than(value, depth - 1) for value in content.values())
    if isinstance(content, list):
        return depth == 0 or any(_deeper_than(value, depth - 1) for value in content)
    return False


def _truncate(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"


def _check_status(answer: WebhookResponse) -> None:
    status, host = answer.status, answer.host
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A workflow that stopped in the middle has done its first half.
        raise ApiUnknownError(_NAME, f"{host}: failed (HTTP {status})", status=status)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        words = f"redirects (HTTP {status}); give the final URL"
    else:
        words = f"refused (HTTP {status})"
    raise ApiError(
        _NAME,
        f"{host}: {words}",
        status=status,
        retryable=status == HTTPStatus.TOO_MANY_REQUESTS,
    )


def _unreadable(answer: WebhookResponse, why: str) -> ApiError:
    return ApiError(_NAME, f"{answer.host}: the answer is {why}", status=answer.status)
