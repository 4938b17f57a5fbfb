"""One question to a text model, answered as JSON that fits a schema.

Ours rather than the SDK's client, which keeps a connection pool and types that only this would use.

Source: https://ai.google.dev/api/generate-content and the google-genai 3.4.0 SDK (read 2026-11-22).
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx

from fwai.errors import ApiAuthError, ApiError
from fwai.http.api_watch import ApiWatch, unwatched

TEXT_URL: Final = "https://generativelanguage.googleapis.com"
MAX_ANSWER: Final = 256 * 1024
_TIMEOUT: Final = httpx.Timeout(45.0, connect=5.0)
_NAME: Final = "gemini"


class TextModel:
    """Asks one model.

    Args:
        http: Shared client; not closed here.
        api_key: Sent as a header, never in the URL.
        model: Such as ``gemini-3.8-flash``.
        watch: Hears whether it can be used.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        api_key: str,
        model: str,
        base_url: str = TEXT_URL,
        *,
        watch: ApiWatch | None = None,
    ) -> None:
        self._watch = watch or unwatched(_NAME)
        self._http = http
        self._headers = {"x-goog-api-key": api_key}
        self._url = f"{base_url.rstrip('/')}/v1beta/models/{quote(model, safe='')}:generateContent"

    async def ask(self, instruction: str, text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the model's answer; it is asked once, and asking again does no harm.

        Args:
            instruction: What to do.
            text: What to do it with.
            schema: Of the answer, an object, in the subset that Gemini takes.

        Raises:
            ApiError: There is no usable answer; it says whether another try can help.
        """
        body = {
            "systemInstruction": {"parts": [{"text": instruction}]},
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": {
                "temperature": 0.1,
                "responseMimeType": "application/json",
                "responseSchema": schema,
            },
        }
        with self._watch.watched():
            return await self._exchange(body)

    async def _exchange(self, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = await self._http.post(
                self._url, json=body, headers=self._headers, timeout=_TIMEOUT
            )
        except httpx.HTTPError as exc:
            raise ApiError(_NAME, f"no answer ({type(exc).__name__})", retryable=True) from exc
        status = response.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ApiAuthError(_NAME, f"refused (HTTP {status})", status=status)
        if not response.is_success:
            again = status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500
            raise ApiError(_NAME, f"refused (HTTP {status})", status=status, retryable=again)
        return _answer(response)


def _answer(response: httpx.Response) -> dict[str, Any]:
    """Return the object that the first candidate says."""
    if len(response.content) > MAX_ANSWER:
        raise ApiError(_NAME, "the answer is too long")
    try:
        parts = response.json()["candidates"][0]["content"]["parts"]
        answer = json.loads("".join(part.get("text", "") for part in parts))
    except (ValueError, LookupError, TypeError, AttributeError):
        # A model may say something else the next time.
        raise ApiError(_NAME, "the answer is not what was asked for", retryable=True) from None
    if not isinstance(answer, dict):
        raise ApiError(_NAME, "the answer is not what was asked for", retryable=True)
    return answer
