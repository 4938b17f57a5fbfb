"""Serves Meta's Graph API for one number: checks the token and the number."""

import re
from abc import abstractmethod
from typing import Final
from urllib.parse import parse_qsl
from uuid import uuid4

from fwai.simulator.common.rest import ApiAnswer, ApiFault, ApiRequest, parse_body
from fwai.simulator.common.rest_server import Arrival, RestServer

_PATH: Final = re.compile(r"/v\d+\.\d+/(.+)")


def meta_error(code: int, status: int = 400, details: str = "") -> ApiAnswer:
    """Return an error as Graph words it."""
    data = {"messaging_product": "whatsapp", "details": details}
    error = {"message": f"(#{code}) {details}", "type": "OAuthException", "code": code}
    return ApiAnswer(status, {"error": {**error, "error_data": data, "fbtrace_id": uuid4().hex}})


class GraphApi(RestServer):
    """Serves Graph requests about one number; use as an async context manager.

    Args:
        token: The access token that is taken.
        number: The number's id.
    """

    def __init__(self, token: str, number: str) -> None:
        super().__init__("meta_graph")
        self._token = token
        self._number = number

    @abstractmethod
    async def _act(self, request: ApiRequest) -> ApiAnswer:
        """Carry out a request that was checked."""

    def _read(self, arrival: Arrival) -> ApiRequest | ApiAnswer:
        body = parse_body(arrival.headers.get("content-type", ""), arrival.body)
        if arrival.headers.get("authorization") != f"Bearer {self._token}":
            return meta_error(190, 401, "Invalid OAuth access token")
        found = _PATH.fullmatch(arrival.path)
        if found is None or not found[1].startswith(f"{self._number}/"):
            return meta_error(33, 404, "unknown object")
        path = found[1].partition("/")[2]
        query = dict(parse_qsl(arrival.query))
        return ApiRequest(arrival.method, path, query, body, arrival.headers)

    def _bad_request(self, text: str) -> ApiAnswer:
        return meta_error(100, 400, text)

    def _strikes(self, fault: ApiFault, request: ApiRequest) -> bool:
        """A fault's ``path`` may also be an action, such as ``accept``."""
        action = str(request.body.get("action", ""))
        return fault.times > 0 and fault.path in (action, request.path, "")

    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        if request.method == "POST" and request.body.get("messaging_product") != "whatsapp":
            return meta_error(100, 400, "messaging_product is needed")
        return await self._act(request)
