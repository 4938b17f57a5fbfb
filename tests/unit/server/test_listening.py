"""What keeps the server from listening is told by the setting that is to blame."""

import socket
from collections.abc import Callable

import pytest

from fwai.errors import ConfigError
from fwai.server.serving import listen


@pytest.mark.parametrize(
    "host",
    ["192.0.2.1", "256.1.1.1", "\u0131" * 70, "nul\0", "2001:db8::1", "::zz", "no host"],
    ids=["not ours", "no address", "too long", "nul", "IPv6, not ours", "no IPv6", "no name"],
)
def test_a_host_that_is_not_of_this_machine_is_named(host: str, no_names: None) -> None:
    with pytest.raises(ConfigError) as refused:
        listen(host, 0)

    (problem,) = refused.value.problems
    assert problem.startswith("HOST: cannot listen on ")
    assert problem.endswith("set HOST to an address of this machine, 127.0.0.1 or 0.0.0.0")


def test_a_port_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as refused:
            listen("127.0.0.1", port)

    assert refused.value.problems == (
        f"PORT: cannot listen on 127.0.0.1:{port} (Address already in use); set PORT to a free one",
    )


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binding asks no name server: what is no address is no host, as resolvers say it."""
    bind: Callable[..., None] = socket.socket.bind

    def bound(self: socket.socket, to: tuple[str, int]) -> None:
        if to[0] in ("no host", "256.1.1.1"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        bind(self, to)

    monkeypatch.setattr(socket.socket, "bind", bound)
