"""The base of a provider's REST API, which really places the calls it is asked for."""

from collections.abc import Callable, Sequence
from typing import Generic

from fwai.simulator.common.caller import CallReport
from fwai.simulator.common.exchange import CallT, Decision, MessageT, PhoneT, ProviderExchange
from fwai.simulator.common.fate import Fate, MessageFate
from fwai.simulator.common.rest_server import RestServer


class ProviderApi(RestServer, Generic[CallT, MessageT, PhoneT]):
    """Serves a provider's REST API, and scripts and reports its calls and messages.

    Args:
        name: What its tasks are called.
        outbound: Carries out what the requests ask for.
        port: Where to listen on loopback; 0 takes a free port.
    """

    def __init__(
        self, name: str, outbound: ProviderExchange[CallT, MessageT, PhoneT], port: int = 0
    ) -> None:
        super().__init__(name, port)
        self._outbound = outbound

    # ---- the script ----------------------------------------------------------------------------

    def fate(self, number: str, *fates: Fate) -> None:
        """Decide on calls to a number: one fate for each, and the last for all that follow.

        Without a fate the number has none any more.
        """
        self._outbound.fates.set(number, *fates)

    def message_fate(self, number: str, *fates: MessageFate) -> None:
        """Decide on messages to a number, as ``fate`` does on calls."""
        self._outbound.message_fates.set(number, *fates)

    @property
    def on_call(self) -> Callable[[CallT], Decision] | None:
        """Decides on calls to numbers without a fate; without it they are answered."""
        return self._outbound.on_call

    @on_call.setter
    def on_call(self, on_call: Callable[[CallT], Decision] | None) -> None:
        self._outbound.on_call = on_call

    # ---- what was asked for --------------------------------------------------------------------

    @property
    def calls(self) -> Sequence[CallT]:
        """The last 1000 calls that were asked for."""
        return self._outbound.calls

    @property
    def messages(self) -> Sequence[MessageT]:
        """The last 1000 text messages."""
        return self._outbound.messages

    async def report(self, call_id: str, timeout_s: float = 60.0) -> CallReport:
        """Wait for the end of an outbound call and return how it went.

        Raises:
            KeyError: No such call was asked for.
            TimeoutError: It is not over in time.
        """
        return await self._outbound.report(call_id, timeout_s)

    async def delivered(self, message_id: str, timeout_s: float = 10.0) -> MessageT:
        """Wait until all delivery reports of a message are sent and return it.

        Raises:
            KeyError: No such message was sent.
            TimeoutError: They are not sent in time.
        """
        return await self._outbound.delivered(message_id, timeout_s)

    def began(self, phone: PhoneT) -> None:
        """Note a call that exists from now on; phones tell when this is their exchange."""
        self._outbound.began(phone)

    def ended(self, phone: PhoneT) -> None:
        """Note a call that is over."""
        self._outbound.ended(phone)
