"""The server as a child process that dies at a point it is told.

Run with ``CRASH_FILE`` set. As long as that file is absent this is the server as it always is,
except that it waits seconds for evidence where it would wait minutes. The file holds a point and a
kind, such as ``begin:after send_sms``: the first time that point is passed for that kind the
process kills itself with SIGKILL, so that nothing is tidied up. A test arms a server that runs.

Nothing in the server knows of this: methods of its classes are wrapped here. Since most of a start
is spent on imports, one process does them and forks every server: it reads the environment of one
from each line of its input, and writes its process id, and the status when it is over.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.adapters.plivo.line import PlivoLine
from fwai.calls import dialer
from fwai.cli.main import main as fwai_main
from fwai.domain.call import DialOrder
from fwai.domain.job import Job, JobOutcome, JobState, NewJob
from fwai.jobs.message_sender import MessageSender
from fwai.server import serving
from fwai.store.bookings import Bookings
from fwai.store.callbacks import Callbacks
from fwai.store.calls import Calls
from fwai.store.idempotency_keys import IdempotencyKeys
from fwai.store.jobs import Jobs
from fwai.web import idempotency
from fwai.wiring import app

EVIDENCE_S: Final = 2.5
DIALLED_EVIDENCE_S: Final = 5.0  # as in the server: longer than any telephone here rings
ABANDONED_S: Final = 0.5


def passing(point: str, *kinds: str) -> None:
    """Die here, if this is where it was asked for."""
    try:
        wanted = Path(os.environ["CRASH_FILE"]).read_text()
    except OSError:
        return
    if any(wanted == f"{point} {kind}" for kind in kinds):
        os.kill(os.getpid(), signal.SIGKILL)


# ---- jobs ---------------------------------------------------------------------------------------


def _jobs() -> None:
    add, enqueue, lease = Jobs.add, Jobs.enqueue, Jobs.lease
    begin, settle = Jobs.begin, Jobs.settle

    async def add_(self: Jobs, connection: AsyncConnection, new: Iterable[NewJob]) -> int:
        known = list(new)
        added = await add(self, connection, known)
        passing("enqueue:before_commit", *(job.kind for job in known))
        return added

    async def enqueue_(self: Jobs, new: NewJob) -> Job:
        job = await enqueue(self, new)
        passing("enqueue:after_commit", new.kind)
        return job

    async def lease_(
        self: Jobs,
        most: int,
        kinds: Collection[str],
        where: ColumnElement[bool] | None = None,
        *,
        oldest_first: bool = False,
    ) -> list[Job]:
        leased = await lease(self, most, kinds, where, oldest_first=oldest_first)
        passing("lease:after", *(job.kind for job in leased))
        return leased

    async def begin_(self: Jobs, job: Job) -> bool:
        passing("begin:before", job.kind)
        begun = await begin(self, job)
        passing("begin:after", job.kind)
        return begun

    async def settle_(self: Jobs, job: Job, outcome: JobOutcome) -> JobState | None:
        passing("settle:before", job.kind)
        state = await settle(self, job, outcome)
        passing("settle:after", job.kind)
        return state

    _replace(Jobs, add=add_, enqueue=enqueue_, lease=lease_, begin=begin_, settle=settle_)


# ---- rows ---------------------------------------------------------------------------------------


def _rows() -> None:
    _replace(Bookings, book=_told(Bookings.book, after="book:after_commit"))
    _replace(
        Callbacks,
        schedule=_told(Callbacks.schedule, after="schedule:after_commit"),
        started=_told(Callbacks.started, "started:before", "started:after"),
    )
    _replace(Calls, place=_told(Calls.place, after="call:placed"))
    _replace(
        IdempotencyKeys,
        claim=_told(IdempotencyKeys.claim, after="claim:after"),
        answer=_told(IdempotencyKeys.answer, "answer:before", "answer:after"),
    )


# ---- requests to the outside --------------------------------------------------------------------


def _requests() -> None:
    call, dial = MessageSender.__call__, PlivoLine.dial

    async def call_(self: Any, job: Job, begin: Callable[[], Awaitable[None]]) -> JobOutcome:  # noqa: ANN401
        send = self._send

        async def sent(one: Job) -> str:
            passing("request:before", one.kind)
            ref: str = await send(one)
            passing("request:after", one.kind)
            return ref

        once = MessageSender(
            sent, repeatable=self._repeatable, evidence_s=EVIDENCE_S, clock=self._clock
        )
        once._patience = self._patience
        return await call(once, job, begin)

    _replace(MessageSender, __call__=call_)
    _replace(PlivoLine, dial=_of_dial(dial))


def _of_dial(
    dial: Callable[[PlivoLine, DialOrder], Awaitable[str]],
) -> Callable[[PlivoLine, DialOrder], Awaitable[str]]:
    async def dial_(self: PlivoLine, order: DialOrder) -> str:
        passing("request:before", "dial")
        ref = await dial(self, order)
        passing("request:after", "dial")
        return ref

    return dial_


def _told(method: Callable[..., Awaitable[Any]], before: str = "", after: str = "") -> Any:  # noqa: ANN401
    async def told(self: object, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        passing(before, "row")
        result = await method(self, *args, **kwargs)
        passing(after, "row")
        return result

    return told


def _replace(kind: type, **methods: Any) -> None:  # noqa: ANN401
    for name, method in methods.items():
        setattr(kind, name, method)


def _in_seconds() -> None:
    """Wait seconds where the server waits minutes."""
    short: Mapping[str, float] = {
        "EVIDENCE_S": DIALLED_EVIDENCE_S,
        "NEWS_S": -100.0,
        "GRACE_S": -5.0,
    }
    for name, seconds in short.items():
        if not hasattr(dialer, name):
            raise AttributeError(f"fwai.calls.dialer has no {name} any more")
        setattr(dialer, name, seconds)
    if not hasattr(idempotency, "ABANDONED"):
        raise AttributeError("fwai.web.idempotency has no ABANDONED any more")
    idempotency.ABANDONED = timedelta(seconds=ABANDONED_S)  # type: ignore[misc]


def _fork(values: Mapping[str, str]) -> int:
    """Start a server and return its process id."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.environ.clear()
        os.environ.update(values)
        code = fwai_main(["serve"])
    except BaseException:  # noqa: BLE001 - the process ends here, and must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve whenever it is asked for, until the input ends."""
    for part in (app, serving):  # what a server imports when it starts
        assert part.__file__
    _in_seconds()
    _jobs()
    _rows()
    _requests()
    for line in sys.stdin:
        pid = _fork(json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
