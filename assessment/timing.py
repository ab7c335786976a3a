"""The time of a sitting: its deadline, what moves it, and how long one item may take. Pure.

Deadline = start + limit x factor + extra minutes + what a notice added + pauses. A pause counts in full from its beginning, so that
nobody who looks at the deadline alone ends a sitting that rests; what of it is not used is taken off at its end.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Final, Literal

GRACE: Final = timedelta(seconds=30)
"""Answers that were on their way at the deadline count for so long."""

ITEM_GRACE: Final = timedelta(seconds=10)
"""The same where an item's own time is over: short, because an item's time is."""

NOTICE: Final = timedelta(minutes=5)
"""A running sitting whose time is cut keeps so much, or all that it had where that was less."""

AWAY_AFTER: Final = timedelta(seconds=90)
"""So long after the last sign of life a person counts as away; a page in a hidden tab gives one a minute at the least."""

SIGN_OF_LIFE_EVERY: Final = timedelta(seconds=20)
"""How often a sign of life is written down, on forms whose clock stops for who is away."""

Hold = Literal["pause", "away"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one person may take in one sitting.

    factor_percent   of the form's limit, and of the limits of its items; 100 is the limit itself
    extra_minutes    on top of it
    pauses           how many the person may take, `pause_minutes` each at the most
    """

    factor_percent: int = 100
    extra_minutes: int = 0
    pauses: int = 0
    pause_minutes: int = 0

    def joined(self, other: "Allowance") -> "Allowance":
        """The better of two in every part: what one promised, another one never takes away."""
        return Allowance(
            max(self.factor_percent, other.factor_percent),
            max(self.extra_minutes, other.extra_minutes),
            max(self.pauses, other.pauses),
            max(self.pause_minutes, other.pause_minutes),
        )


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of one sitting.

    limit_minutes    of the form
    notice_seconds   kept when the time was cut, so that the cut did not come unannounced
    paused_seconds   all pauses so far, the present one in full
    away_seconds     those of them for which the clock stopped because the person was away
    hold             why the clock stands still: from hold_began_at to hold_ends_at; None where it runs
    """

    started_at: datetime
    limit_minutes: int
    factor_percent: int = 100
    extra_minutes: int = 0
    notice_seconds: int = 0
    paused_seconds: int = 0
    away_seconds: int = 0
    hold: Hold | None = None
    hold_began_at: datetime | None = None
    hold_ends_at: datetime | None = None

    @property
    def deadline_at(self) -> datetime:
        """When the time is over; a present pause counted in full."""
        limit = scaled_seconds(self.limit_minutes * 60, self.factor_percent)
        return self.started_at + timedelta(seconds=limit + self.extra_minutes * 60 + self.notice_seconds + self.paused_seconds)

    def is_held(self, now: datetime) -> bool:
        """Whether the clock stands still."""
        return self.hold_ends_at is not None and now < self.hold_ends_at

    def left(self, now: datetime) -> timedelta:
        """Time to work in, below 0 when it is over; in a pause what there will be after it."""
        ends = self.hold_ends_at
        return self.deadline_at - (now if ends is None or now >= ends else ends)


def begin_hold(clock: Clock, hold: Hold, *, began_at: datetime, seconds: int) -> Clock:
    """The clock stands still, for so many seconds at the most."""
    return replace(
        clock,
        paused_seconds=clock.paused_seconds + seconds,
        away_seconds=clock.away_seconds + seconds * (hold == "away"),
        hold=hold,
        hold_began_at=began_at,
        hold_ends_at=began_at + timedelta(seconds=seconds),
    )


def end_hold(clock: Clock, *, now: datetime) -> Clock:
    """The clock runs again; of the pause only what was used is kept, in whole seconds and never too few."""
    ends = clock.hold_ends_at
    unused = 0 if ends is None else max(floor((ends - now).total_seconds()), 0)
    return replace(
        clock,
        paused_seconds=clock.paused_seconds - unused,
        away_seconds=clock.away_seconds - unused * (clock.hold == "away"),
        hold=None,
        hold_began_at=None,
        hold_ends_at=None,
    )


def allow(clock: Clock, allowance: Allowance, *, now: datetime) -> Clock:
    """The clock under another allowance. More time holds at once; less leaves NOTICE, or what there was where that is less."""
    changed = replace(clock, factor_percent=allowance.factor_percent, extra_minutes=allowance.extra_minutes, notice_seconds=0)
    from_now = max(now, clock.hold_ends_at or now)
    missing = min(clock.deadline_at, from_now + NOTICE) - changed.deadline_at
    return replace(changed, notice_seconds=max(ceil(missing.total_seconds()), 0))


def away(clock: Clock, *, last_sign_at: datetime, now: datetime, away_minutes: int) -> Clock:
    """The clock after it stood still for a person who was away, as long as the form allows; the same clock for who was not.

    last_sign_at   of the person's page
    away_minutes   of all absences together; 0 where the clock runs on
    """
    left = away_minutes * 60 - clock.away_seconds
    if left <= 0 or clock.hold is not None or now - last_sign_at <= AWAY_AFTER:
        return clock
    return begin_hold(clock, "away", began_at=last_sign_at, seconds=left)


def item_seconds(limit: int | None, *, factor_percent: int, extra_minutes: int) -> int | None:
    """Seconds that one item may take; None for no limit. It scales with the factor, and falls away where minutes were added.

    Source   sakaiproject/sakai 14854: whoever got more minutes for the whole loses the limits within it
    """
    return None if limit is None or extra_minutes > 0 else scaled_seconds(limit, factor_percent)


def item_deadline(*, shown_at: datetime, seconds: int, paused_before_seconds: int, paused_seconds: int) -> datetime:
    """When an item's own time is over; pauses since it was shown are not part of it."""
    return shown_at + timedelta(seconds=seconds + paused_seconds - paused_before_seconds)


def scaled_seconds(seconds: int, factor_percent: int) -> int:
    """A limit under a factor, rounded up to whole seconds."""
    return -(-seconds * factor_percent // 100)
