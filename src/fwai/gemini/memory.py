"""What must outlive a connection: what was said, and what the model still owes. No I/O, no clock.

Theory of operation. A text the model should act on (a prompt, a tool's result, the caller's words)
is *owed* until the model acts: begins to speak or asks for a tool. What comes while it speaks is
owed until it begins again. A turn that ends without any act has had its chance: nothing is owed
any more. Words of the caller that come while the model already answers are late, not new.

The service's handle covers the conversation up to its issue, which is the end of a turn. What came
after it is lost with the connection, and is told to the next one as history.
"""

from typing import Final

from fwai.domain.events import (
    AgentEvent,
    AgentSaid,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    ToolCall,
    ToolsCancelled,
    TurnEnded,
)

HISTORY_CHARS: Final = 6_000
MAX_OWED: Final = 8
GO_ON: Final = "The connection was briefly interrupted. Go on from where you stopped."

_CALLER: Final = "caller"


class Memory:
    """One conversation, over all its connections.

    Attributes:
        replying: The model is in the middle of producing speech.
    """

    def __init__(self) -> None:
        self.replying = False
        self._acting = False
        self._cut = False
        self._owed: dict[str, str] = {}
        self._turns: list[tuple[str, str]] = []
        self._after_handle = 0

    @property
    def settled(self) -> bool:
        """Whether the model owes nothing and its turn is over."""
        return not (self._owed or self._acting or self.replying)

    def owe(self, words: str, key: str = "") -> None:
        """Expect the model to act on ``words``; the same key or words are owed once."""
        self._owed[key or words] = words
        if len(self._owed) > MAX_OWED:
            del self._owed[next(iter(self._owed))]

    def awaits_tool(self) -> None:
        """What the model says next is about the tool's result that it has been given."""
        self.replying = False

    def spoke(self) -> None:
        """The model produced speech."""
        if not self.replying:
            self.replying = True
            self._act()

    def handle_issued(self) -> None:
        """The service can go on from here."""
        self._after_handle = 0

    def track(self, event: AgentEvent) -> None:
        """Take note of an event other than speech."""
        match event:
            case CallerSaid(text):
                self._caller_said(text)
            case AgentSaid(text):
                self._remember("model", text)
            case ToolCall():
                self.replying = False
                self._act()
            case ToolsCancelled(ids):
                for call_id in ids:
                    self._owed.pop(call_id, None)
            case Interrupted():
                self.replying = False
                self._cut = True
            case GenerationEnded():
                self.replying = False
            case TurnEnded():
                if not self._acting and not self._cut:
                    self._owed.clear()
                self._listen()
            case _:
                pass

    def reopened(self, *, resumed: bool) -> tuple[list[tuple[str, str]], str]:
        """Return what a new connection must be told first.

        Args:
            resumed: The service knows everything up to the last handle.

        Returns:
            Earlier turns as (``user`` or ``model``, text), and an instruction to act on at once;
            either may be empty. A reply that was cut short is asked for once.
        """
        history = self._turns[len(self._turns) - self._after_handle if resumed else 0 :]
        if history and history[-1][0] == "user" and _CALLER in self._owed:
            history.pop()  # said again below
        if self.replying:
            self.owe(GO_ON)
        self._listen()
        return history, "\n".join(self._owed.values())

    def _act(self) -> None:
        self._acting = True
        self._cut = False
        self._owed.clear()

    def _listen(self) -> None:
        self.replying = self._acting = self._cut = False

    def _caller_said(self, text: str) -> None:
        late = self._acting and not self._cut
        if late and self._after_handle and self._turns[-1][0] == "model":
            reply = self._turns.pop()
            self._after_handle -= 1
            self._remember("user", text)
            self._turns.append(reply)
            self._after_handle += 1
            return
        self._remember("user", text)
        words = self._turns[-1][1].strip()
        if words and not late:
            self.owe(words, _CALLER)

    def _remember(self, role: str, text: str) -> None:
        if self._after_handle and self._turns[-1][0] == role:
            self._turns[-1] = (role, self._turns[-1][1] + text)
        else:
            self._turns.append((role, text))
            self._after_handle += 1
        over = sum(len(words) for _, words in self._turns) - HISTORY_CHARS
        while over > 0:
            role, words = self._turns[0]
            if len(words) <= over and len(self._turns) > 1:
                del self._turns[0]
            else:
                self._turns[0] = (role, words[over:])
            over -= len(words)
        self._after_handle = min(self._after_handle, len(self._turns))
