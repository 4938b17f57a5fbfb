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
        self._dropped = 0  # turns that no longer fit
        self._handle_at = 0
        self._segment = 0  # characters of the last turn that the caller may have to say again

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

    def spoke(self) -> bool:
        """The model produced speech; True when a reply begins with it."""
        if self.replying:
            return False
        self.replying = True
        self._act()
        return True

    @property
    def handle_at(self) -> int:
        """Where in the conversation the last handle stands; a number for `reopened`."""
        return self._handle_at

    def handle_issued(self) -> None:
        """The service can go on from here."""
        self._handle_at = self._dropped + len(self._turns)

    def since(self, handle_at: int) -> list[tuple[str, str]]:
        """Return the turns that a session resumed with the handle of then does not know."""
        return self._turns[max(handle_at - self._dropped, 0) :]

    def told(self, handle_at: int | None) -> list[tuple[str, str]]:
        """Return what a session must be told that starts from the handle of then, or afresh."""
        return list(self._turns) if handle_at is None else self.since(handle_at)

    def caller_begins(self) -> None:
        """The caller says something new; the words of what they said before are settled."""
        self._segment = 0

    def unsay(self) -> None:
        """The caller's unanswered speech is heard again, so its words will come again."""
        self._owed.pop(_CALLER, None)
        if self._segment and self._turns and self._turns[-1][0] == "user":
            left = self._turns[-1][1][: -self._segment]
            if left.strip():
                self._turns[-1] = ("user", left)
            else:
                del self._turns[-1]
        self._segment = 0

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

    def reopened(
        self, *, handle_at: int | None = None, heard_again: bool = False
    ) -> tuple[list[tuple[str, str]], str]:
        """Return what a new connection must be told first.

        Args:
            handle_at: The service knows everything up to here; None for a fresh session.
            heard_again: The caller's unanswered speech follows as sound.

        Returns:
            Earlier turns as (``user`` or ``model``, text), and an instruction to act on at once;
            either may be empty. A reply that was cut short is asked for once.
        """
        history = self.told(handle_at)
        if history and history[-1][0] == "user" and _CALLER in self._owed:
            history.pop()  # said again below
        if self.replying and not heard_again:
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
        if late and self._fresh_turn and self._turns[-1][0] == "model":
            reply = self._turns.pop()
            self._remember("user", text)
            self._turns.append(reply)
            self._segment = 0
            return
        self._remember("user", text)
        self._segment += len(text)
        words = self._turns[-1][1].strip()
        if words and not late:
            self.owe(words, _CALLER)

    @property
    def _fresh_turn(self) -> bool:
        """Whether the last turn began after the last handle: it may still be added to."""
        return self._dropped + len(self._turns) > self._handle_at and bool(self._turns)

    def _remember(self, role: str, text: str) -> None:
        if role == "model":
            self._segment = 0
        if self._fresh_turn and self._turns[-1][0] == role:
            self._turns[-1] = (role, self._turns[-1][1] + text)
        else:
            self._turns.append((role, text))
        over = sum(len(words) for _, words in self._turns) - HISTORY_CHARS
        while over > 0:
            role, words = self._turns[0]
            if len(words) <= over and len(self._turns) > 1:
                del self._turns[0]
                self._dropped += 1
            else:
                self._turns[0] = (role, words[over:])
            over -= len(words)
