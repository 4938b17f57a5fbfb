"""Every error this package raises on purpose, split by what the next actor should do.

* FwaiError
    * ConfigError       start-up: lists every problem at once, each with its fix
    * WireError         a peer's message breaks its protocol: dropped, counted, three end the leg
    * SignatureError    a webhook is not from whom it claims to be: 403, no body
    * ApiError          a REST call failed; says whether another try can help
        * ApiAuthError      credentials are refused: the operator must act, never retried
        * ApiUnknownError   the request may or may not have been carried out: never retried blindly
    * AgentError        the live model session failed; says whether resuming can help
    * ToolError         a tool could not do its work; the message is meant for the model
    * StoreError        something could not be written or read
    * BusyError         the admission limit is reached
    * FieldError        somebody asked for something impossible: names the field and the fix
    * RefusedError      what was asked is possible but not allowed, such as a call to who forbade it
"""

from collections.abc import Mapping, Sequence
from typing import Any


class FwaiError(Exception):
    """Base of every deliberate error."""


class ConfigError(FwaiError):
    """The configuration is wrong; the process must not start.

    Attributes:
        problems: One sentence each, naming the variable or file and the fix. What a file holds may
            stand in them; what cannot be shown, or written at all, is a question mark.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(_shown, problems))
        super().__init__("; ".join(self.problems))


def _shown(problem: str) -> str:
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in problem)


class WireError(FwaiError):
    """A peer's message does not follow its protocol. The text names the kind, never the payload."""


class SignatureError(FwaiError):
    """A webhook's signature is missing or does not match."""


class ApiError(FwaiError):
    """A provider's REST API did not do what was asked.

    Attributes:
        provider: Who refused, such as ``plivo``.
        status: HTTP status, or None when no answer came.
        retryable: Whether the same request can succeed later without doing harm.
        words: What an operator's own workflow says of it, for the model; empty when it says
            nothing. It may hold what callers said, so it is in no text of the error.
    """

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        words: str = "",
    ) -> None:
        super().__init__(f"{provider}: {message}")
        self.provider = provider
        self.status = status
        self.retryable = retryable
        self.words = words


class ApiAuthError(ApiError):
    """Credentials were refused; an operator must act."""


class ApiUnknownError(ApiError):
    """No answer came after the request may have been accepted; repeating it could do it twice."""


class AgentError(FwaiError):
    """The live model session failed.

    Attributes:
        code: WebSocket close code or HTTP status, or None when nothing was said.
        resumable: Whether a new connection with the same handle can go on.
        fresh: Whether a new session without the handle can help.
        fault: Name of what is wrong; empty when it has none.
        detail: What is known of that besides, such as ``HTTP 403``.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        resumable: bool = False,
        fresh: bool = False,
        fault: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.detail = detail
        self.code = code
        self.resumable = resumable
        self.fresh = fresh


class ToolError(FwaiError):
    """A tool could not do its work; its message is shown to the model as it stands.

    Attributes:
        facts: What is known beside it.
    """

    def __init__(self, message: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.facts = dict(facts or {})


class StoreError(FwaiError):
    """Something could not be written or read; the text names path and cause."""


class BusyError(FwaiError):
    """The server carries as many calls as it may."""


class FieldError(FwaiError):
    """A value that was given cannot be right; the text is the fix.

    Attributes:
        field: Which one.
        others: Further values of the same request that cannot be right.
    """

    def __init__(self, field: str, fix: str) -> None:
        super().__init__(fix)
        self.field = field
        self.others: tuple[FieldError, ...] = ()


class RefusedError(FwaiError):
    """It is not allowed; the text says why.

    Attributes:
        kind: A stable name for the reason, such as ``do-not-call``.
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind
