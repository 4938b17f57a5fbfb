"""Tells others what happened: one job per event and address, delivered until it is taken."""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fwai.domain.call_event import event_body
from fwai.domain.failure import UNWATCHED, Area, Trouble
from fwai.domain.job import EVENT, Begin, Dead, Done, Job, JobOutcome, NewJob, Retry
from fwai.errors import ApiError
from fwai.interfaces.failures import Failures

GIVE_UP_S: Final = 86_400.0
PATIENCE: Final = 4  # tries of one event, about three minutes
WEBHOOK: Final = "webhook"
_NOWHERE: Final = "EVENTS_WEBHOOK_URL (with EVENTS_WEBHOOK_SECRET) is not set any more"

Post = Callable[[str, str, bytes], Awaitable[int]]


class Events:
    """Makes events and delivers them. Its ``deliver`` handles jobs of kind ``event``.

    Args:
        url: Where every event goes, those of an earlier start, too; empty for nowhere.
        post: Posts a body under an id to a URL and returns the HTTP status; raises ``ApiError``.
        gap_s: How long to wait after so many attempts, given a jitter in [0, 1) and how long the
            receiver asked for, or None.
        clock: The time now, aware.
        failures: Told when the operator's own address takes nothing, and when it does again.
    """

    def __init__(
        self,
        url: str,
        post: Post,
        gap_s: Callable[[int, float, float | None], float],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        failures: Failures = UNWATCHED,
    ) -> None:
        self._failures = failures
        self._url = url
        self._post = post
        self._gap_s = gap_s
        self._clock = clock

    def new(
        self,
        kind: str,
        key: str,
        data: Mapping[str, Any],
        *,
        at: datetime | None = None,
        also_to: str = "",
        call_id: str = "",
        phone: str = "",
    ) -> list[NewJob]:
        """Return the jobs that tell of one event, one per address.

        The same event twice has the same ``key``, at most 100 characters. It happened ``at``, or
        now; ``also_to`` is the address of one call's events.
        """
        body = event_body(kind, at or self._clock(), data)
        # The operator's own address is not kept: where it is corrected, what failed follows.
        urls = {0: ""} if self._url else {}
        if also_to and also_to != self._url:
            urls[1] = also_to
        return [
            NewJob(
                EVENT,
                f"{EVENT}:{kind}:{key}:{number}",
                {"body": body, "url": url},
                call_id=call_id,
                phone=phone,
            )
            for number, url in urls.items()
        ]

    async def deliver(self, job: Job, begin: Begin) -> JobOutcome:  # noqa: ARG002 - at least once
        """Deliver one event; an address that fails is tried for a day, and again after a replay."""
        own = not job.payload["url"]
        url = job.payload["url"] or self._url
        if not url:
            return Dead(_NOWHERE)
        body = json.dumps(job.payload["body"], ensure_ascii=False, separators=(",", ":"))
        try:
            status = await self._post(url, job.id, body.encode(errors="replace"))
        except ApiError as exc:
            if own:
                self._refused(job, exc)
            age_s = (self._clock() - job.run_at).total_seconds()
            if not exc.retryable or age_s >= GIVE_UP_S:
                return Dead(str(exc))
            jitter = secrets.randbelow(1000) / 1000.0
            asked = getattr(exc, "retry_after_s", None)
            return Retry(str(exc), after_s=self._gap_s(job.attempts, jitter, asked))
        except ValueError as exc:
            return Dead(str(exc))
        if own:
            self._failures.mended(Area.EVENTS, WEBHOOK)
        return Done({"status": status})

    def _refused(self, job: Job, exc: ApiError) -> None:
        """Tell of an address that takes nothing; a workflow that is published anew is none."""
        if exc.status in (401, 403):
            fix = "give n8n the secret of EVENTS_WEBHOOK_SECRET (docs/N8N.md), and check the clocks"
        elif job.attempts < PATIENCE:
            return
        elif exc.status is not None:
            fix = "publish the workflow behind EVENTS_WEBHOOK_URL, or correct the address"
        else:
            fix = "start n8n, or correct EVENTS_WEBHOOK_URL"
        said = f"HTTP {exc.status}" if exc.status is not None else "no answer"
        cause = f"n8n does not take events ({said})"
        self._failures.seen(Trouble(Area.EVENTS, WEBHOOK, cause, fix))
