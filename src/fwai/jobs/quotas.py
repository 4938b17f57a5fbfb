"""Daily limits of what callers can have sent, and who is told when one is reached."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from fwai.domain.failure import Area, Failure, Trouble
from fwai.domain.quota import NEW_RECIPIENTS, Quota
from fwai.interfaces.limits import UNHEARD, DailyLimitAlarms
from fwai.interfaces.messages import QuotaStore


class Quotas:
    """Counts what is sent on behalf of callers. Implements ``MessageQuotas``.

    A limit that is reached stands on ``/readyz`` until the day is over.

    Args:
        store: Counts, for all processes of this installation.
        quotas: The limits; what has none is not counted.
        zone: Whose days are meant.
        alarms: Told of limits that are reached.
        clock: The time now, aware.
    """

    def __init__(
        self,
        store: QuotaStore,
        quotas: Iterable[Quota],
        zone: tzinfo,
        alarms: DailyLimitAlarms = UNHEARD,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._quotas = {one.name: one for one in quotas}
        self._zone = zone
        self._alarms = alarms
        self._clock = clock
        self._reached: dict[str, tuple[str, Failure]] = {}  # by limit: the day, what to tell

    async def open(self) -> None:
        """Learn what was reached today before this process began.

        Raises:
            StoreError: The database failed.
        """
        used = await self._store.used(self._day())
        for name, count in used.items():
            if name in self._quotas and count >= self._quotas[name].most:
                self._note(name)

    async def take(self, name: str, recipient: str = "", asked_by: str = "") -> str:
        """Count one message, and its recipient if a caller dictated who that is.

        Returns:
            Empty, or what there is no more of today, in words; then nothing was counted.

        Raises:
            StoreError: The database failed; nothing was counted.
        """
        wanted = [self._quotas[one] for one in (name,) if one in self._quotas]
        if recipient and NEW_RECIPIENTS in self._quotas:
            wanted.append(self._quotas[NEW_RECIPIENTS])
        if not wanted:
            return ""
        day = self._day()
        full, reached = await self._store.take(
            day,
            {one.name: one.most for one in wanted},
            recipient=recipient,
            asked_by=asked_by,
            if_new=NEW_RECIPIENTS,
        )
        for one in reached:
            self._note(one)
        return self._quotas[full].label if full else ""

    async def give_back(self, name: str) -> None:
        """Take one back that was counted and not sent.

        Raises:
            StoreError: The database failed.
        """
        if name in self._quotas:
            await self._store.give_back(self._day(), name)

    def standing(self) -> Sequence[Failure]:
        """Return which limits are reached today."""
        day = self._day()
        return [failure for of, failure in self._reached.values() if of == day]

    def _day(self) -> str:
        return self._clock().astimezone(self._zone).date().isoformat()

    def _note(self, name: str) -> None:
        day = self._day()
        if name in self._reached and self._reached[name][0] == day:
            return
        quota, now = self._quotas[name], self._clock()
        cause = f"the {quota.most} {quota.label} of today are used up"
        self._reached[name] = day, Failure(Trouble(Area.LIMITS, name, cause, quota.fix), now, now)
        self._alarms.used_up(quota, day)
