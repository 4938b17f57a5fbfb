"""Calls a workflow, such as n8n's, by one signed POST and reads its answer for the model.

What an answer may look like is in `workflow_answer`. An error of the workflow's own making has
words for the model; one of n8n or of a proxy is for the operator, and goes to the log by its kind:
its words may hold the webhook's path, which is a secret.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx
import structlog

from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.webhook_client import SignedPoster, WebhookResponse
from fwai.integrations.workflow_answer import (
    RETURNED_NOTHING,
    NoAnswerError,
    WorkflowAnswer,
    parse_answer,
)

MAX_WORDS_CHARS: Final = 300
_NAME: Final = "webhook"
_SILENT: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
)
_OWN_FIELDS: Final = frozenset({"code", "message", "hint", "stacktrace", "description"})
_BLANKS: Final = re.compile(r"\s+")
_KEY_CHARS: Final = 4
_LIKE_A_KEY: Final = re.compile(r"(?=.*[0-9_-]).{8,}")  # of a path; others may be ordinary words

# What n8n says of itself, the reason for the log, and whether the workflow ran: None, perhaps.
_N8N: Final[tuple[tuple[str, str, bool | None], ...]] = (
    ("is not registered", "not_registered", False),
    ("could not be started", "not_started", False),
    ("database is not ready", "not_ready", False),
    ("n8n is starting up", "not_ready", False),
    ("no item to return", "returned_nothing", True),
    ("respond to webhook", "respond_node", None),
    ("error in workflow", "workflow_failed", None),
)

_log = structlog.get_logger()


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
                that cannot be read (status 2xx). ``words`` is what it says of it, if anything.
            ApiUnknownError: It may have been carried out.
        """
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False)
        try:
            response = await self._poster.send(
                url, message_id, body.encode("utf-8", "replace"), timeout_s=timeout_s, read=True
            )
        except ApiError as exc:
            _log.warning("workflow_not_reached", reason=str(exc), unknown=_is_unknown(exc))
            raise
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return _read(response)
        return _read_error(response, url)


def _is_unknown(exc: ApiError) -> bool:
    return isinstance(exc, ApiUnknownError)


def _read(response: WebhookResponse) -> WorkflowAnswer:
    try:
        answer = _parse(response)
    except NoAnswerError as exc:
        _log.warning(
            "workflow_answer_unreadable",
            host=response.host,
            status=response.status,
            reason=str(exc),
        )
        words = f"{response.host}: the answer is {exc}"
        if exc.taken is None:
            raise ApiUnknownError(_NAME, words, status=response.status) from exc
        raise ApiError(_NAME, words, status=response.status) from exc
    reason, ran = _of_n8n(answer) if "code" in answer.data else ("", None)
    if reason and not ran:
        _log.warning("workflow_refused", host=response.host, status=response.status, reason=reason)
        text = f"{response.host}: failed, and says so with HTTP {response.status}"
        raise ApiUnknownError(_NAME, text, status=response.status)
    said = bool(answer.text or answer.data)
    if response.status == HTTPStatus.ACCEPTED and not said:
        return WorkflowAnswer("", started=True)
    return answer


def _parse(response: WebhookResponse) -> WorkflowAnswer:
    return parse_answer(
        response.headers.get("content-type", ""),
        response.headers.get("content-encoding", ""),
        response.body,
        complete=response.complete,
    )


def _read_error(response: WebhookResponse, url: str) -> WorkflowAnswer:
    """Say what an error status means; n8n has one for a workflow that ran and returned nothing."""
    status, host = response.status, response.host
    try:
        said = _parse(response)
    except NoAnswerError:
        said = WorkflowAnswer("")
    reason, ran = _of_n8n(said)
    _log.warning("workflow_refused", host=host, status=status, reason=reason or "status")
    if ran:
        return WorkflowAnswer(RETURNED_NOTHING)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        text = f"{host}: redirects (HTTP {status}); give the final URL"
        raise ApiError(_NAME, text, status=status)
    own = not reason and status not in _SILENT and not said.data.keys() & {"hint", "stacktrace"}
    words = _words(said.text, url) if own else ""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and ran is None:
        # A workflow that stopped in the middle has done its first half.
        text = f"{host}: failed (HTTP {status})"
        raise ApiUnknownError(_NAME, text, status=status, words=words)
    raise ApiError(
        _NAME,
        f"{host}: refused (HTTP {status})",
        status=status,
        retryable=status == HTTPStatus.TOO_MANY_REQUESTS,
        words=words,
    )


def _of_n8n(said: WorkflowAnswer) -> tuple[str, bool | None]:
    """Return why n8n itself says no, empty when it does not, and whether the workflow ran."""
    if said.text == RETURNED_NOTHING:
        return "returned_nothing", True
    text = said.text.lower()
    if said.data.keys() <= _OWN_FIELDS:
        for words, reason, ran in _N8N:
            if words in text:
                return reason, ran
    return "", None


def _words(text: str, url: str) -> str:
    """Return what a workflow says of its refusal, on one line; empty when it holds the URL's path.

    A server that does not know a path likes to repeat it.
    """
    said = _BLANKS.sub(" ", text).strip()
    target = httpx.URL(url)
    parts = [part for part in target.path.split("/") if part]
    secrets = [f"/{part}" for part in parts]
    secrets += [part for part in parts if _LIKE_A_KEY.fullmatch(part)]
    secrets += [value for value in target.params.values() if len(value) >= _KEY_CHARS]
    if any(secret.lower() in said.lower() for secret in secrets):
        return ""
    return said if len(said) <= MAX_WORDS_CHARS else said[: MAX_WORDS_CHARS - 1] + "…"
