"""A wall clock and a monotonic one, moved by hand: together as time goes by, or the first alone."""

from datetime import UTC, datetime

from fwai.domain.wall_clock import WallClock

STEPS_S = (3600.0, -3600.0, 86_400.0, -86_400.0, 2400.0, -1.0, 40 * 86_400.0, -40 * 86_400.0)
"""How a wall clock may be set: by an hour, a day, 40 minutes, a second back, 40 days."""


class TwoClocks:
    """The clocks of one process."""

    def __init__(self, wall: float = 1_795_492_800.0) -> None:
        self.wall_s = wall
        self.steady_s = 1_000.0
        self.wall = WallClock(lambda: self.wall_s, lambda: self.steady_s)

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.wall_s, UTC)

    def go_on(self, seconds: float) -> None:
        """Let time go by."""
        self.wall_s += seconds
        self.steady_s += seconds

    def set_wall(self, by_s: float) -> None:
        """Set the wall clock."""
        self.wall_s += by_s
