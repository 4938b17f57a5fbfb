"""The fast lane leans on insides of picows and uvicorn; here they are named."""

import ast
import inspect
from collections.abc import Iterator

import picows.api
import pytest
from fastapi import WebSocket
from picows import WSListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from fwai.adapters import media_socket
from fwai.adapters.media_socket import MediaSocketProtocol, take_over
from fwai.http.websocket import Socket

ADVICE = (
    "changed in this version: go through adapters/media_socket.py with its source beside you, run "
    "tests/unit/adapters, and then bring this test up to date"
)
# Every class has these; the latter two from Python 3.13 on.
ADDED_BY_PYTHON = ("__module__", "__doc__", "__firstlineno__", "__static_attributes__")
# As picows calls it itself; the constructor is compiled and tells no names of its own.
PICOWS_ARGUMENTS = [
    "None",
    "None",
    "False",
    "ws_listener_factory",
    "_resolve_logger(logger_name, 'server')",
    "disconnect_on_exception",
    "websocket_handshake_timeout",
    "enable_auto_ping",
    "auto_ping_idle_timeout",
    "auto_ping_reply_timeout",
    "auto_ping_strategy",
    "enable_auto_pong",
    "max_frame_size",
    "None",
    "read_buffer_init_size",
]


def calls_of(name: str, code: object) -> Iterator[list[str]]:
    """Yield the arguments of each call of ``name`` in the source of ``code``."""
    for node in ast.walk(ast.parse(inspect.getsource(code))):  # type: ignore[arg-type]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
            yield [ast.unparse(argument) for argument in node.args]


def attributes_set(kind: type) -> set[str]:
    tree = ast.parse(inspect.getsource(kind))
    targets = [
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return {
        target.attr
        for target in targets
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    }


def test_picows_makes_its_protocol_with_the_arguments_we_give() -> None:
    servers = [args for args in calls_of("WSProtocol", picows.api) if args[2] == "False"]

    assert servers == [PICOWS_ARGUMENTS], f"picows: WSProtocol's constructor {ADVICE}"
    ours = next(calls_of("StrangersProtocol", media_socket))
    assert len(ours) == len(PICOWS_ARGUMENTS), f"picows: WSProtocol's constructor {ADVICE}"


@pytest.mark.parametrize("name", ["connection_made", "get_buffer", "buffer_updated"])
def test_picows_has_the_methods_we_call(name: str) -> None:
    assert callable(getattr(WSProtocol, name, None)), f"picows: WSProtocol.{name} {ADVICE}"


def test_uvicorn_makes_its_protocol_as_we_expect() -> None:
    found = list(inspect.signature(WebSocketsSansIOProtocol.__init__).parameters)

    expected = ["self", "config", "server_state", "app_state", "_loop"]
    assert found == expected, f"uvicorn: WebSocketsSansIOProtocol {ADVICE}"
    assert list(inspect.signature(WebSocketsSansIOProtocol.data_received).parameters) == [
        "self",
        "data",
    ], f"uvicorn: WebSocketsSansIOProtocol.data_received {ADVICE}"


@pytest.mark.parametrize(
    "name",
    ["handshake_initiated", "handshake_complete", "scope", "request", "connections", "transport"],
)
def test_uvicorn_keeps_what_we_read_and_set(name: str) -> None:
    found = attributes_set(WebSocketsSansIOProtocol)

    assert name in found, f"uvicorn: WebSocketsSansIOProtocol.{name} {ADVICE}"


def test_uvicorn_reads_the_handshake_at_once_and_runs_the_route_later() -> None:
    """The way out must be in the scope before the route looks for it."""
    received = inspect.getsource(WebSocketsSansIOProtocol.data_received)
    connect = inspect.getsource(WebSocketsSansIOProtocol.handle_connect)

    assert "self.handle_events()" in received, f"uvicorn: data_received {ADVICE}"
    assert "self.loop.create_task(self.run_asgi())" in connect, f"uvicorn: handle_connect {ADVICE}"
    assert '"extensions"' in connect, f"uvicorn: handle_connect {ADVICE}"


def test_nothing_of_uvicorns_protocol_is_replaced_but_one_method() -> None:
    own = set(vars(MediaSocketProtocol)) - set(ADDED_BY_PYTHON)

    assert own == {"data_received", "_switch_to_picows"}


def test_a_server_without_the_fast_lane_is_told_how_to_start() -> None:
    async def nothing(*_: object) -> dict[str, object]:
        return {}

    scope = {"type": "websocket", "extensions": {"websocket.http.response": {}}, "headers": []}
    websocket = WebSocket(scope, nothing, nothing)  # type: ignore[arg-type]

    with pytest.raises(RuntimeError, match="ws=MediaSocketProtocol"):
        take_over(websocket, lambda _: None, lambda _, __: None, 1)


def test_a_socket_is_a_listener_of_picows() -> None:
    assert issubclass(Socket, WSListener)
