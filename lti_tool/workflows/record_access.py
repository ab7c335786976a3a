"""Who gets and gives statements, changed by page or by command alike: each change stands in the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

import xapi.api as xapi
from kernel.clock import rfc3339
from lti_tool.models.audit import append_audit

USE_DAYS = 30
"""Days of which the use of a credential is told, today included (UTC)."""


@dataclass(slots=True)
class Use:
    """What a credential did: its requests, and the statements that it wrote and read."""

    requests: int = 0
    written: int = 0
    read: int = 0


def part_of(*, verbs: Sequence[str], activities: Sequence[str], place: str = "") -> xapi.Slice:
    """The part of the statements with one of these verbs, about one of these activities; an empty list asks for nothing.

    Raises   RequestInvalid, naming the place below `place`
    """
    lists = {"verbs": list(verbs), "activities": list(activities)}
    return xapi.read_slice({member: values for member, values in lists.items() if values}, place)


@dataclass(frozen=True, slots=True)
class RecordAccess:
    """One agency's credentials, feeds and pushes in the hands of whoever changes them.

    actor   as the audit log names it: `user:7`, `command`
    """

    db: Session
    tenant_id: int
    actor: str
    now: datetime

    def create_key(self, name: str, scopes: Sequence[str], *, part: xapi.Slice, pepper: bytes, **given: Any) -> xapi.NewKey:
        """A new credential; `given` as `xapi.create_key` takes it. Its secret is told this once."""
        made = xapi.create_key(
            self.db, tenant_id=self.tenant_id, name=name, scopes=scopes, now=self.now, part=part, pepper=pepper, **given
        )  # fmt: skip
        self._note("lrs_key.created", key=made.key, name=name, scopes=" ".join(scopes))
        return made

    def rotate_key(self, key: str, *, overlap: timedelta, pepper: bytes) -> xapi.NewKey:
        """A new secret; the former one works on for the overlap."""
        made = xapi.rotate_key(self.db, tenant_id=self.tenant_id, key=key, now=self.now, overlap=overlap, pepper=pepper)
        self._note("lrs_key.rotated", key=key, overlap_hours=int(overlap / timedelta(hours=1)))
        return made

    def revoke_key(self, key: str) -> None:
        """Ends a credential at once."""
        xapi.revoke_key(self.db, tenant_id=self.tenant_id, key=key, now=self.now)
        self._note("lrs_key.revoked", key=key)

    def use_by_key(self) -> dict[str, Use]:
        """What each credential did in the last days."""
        today = self.now.date()
        used: dict[str, Use] = {}
        for volume in xapi.volumes_of(self.db, tenant_id=self.tenant_id, since=today - timedelta(days=USE_DAYS - 1), until=today):
            one = used.setdefault(volume.key, Use())
            one.requests += volume.requests
            one.written += volume.written
            one.read += volume.read
        return used

    def remove_feed(self, name: str) -> None:
        """Forgets a feed and its cursor."""
        xapi.remove_feed(self.db, tenant_id=self.tenant_id, name=name)
        self._note("feed.removed", name=name)

    def add_push(self, name: str, target: xapi.LrsTarget | xapi.WebhookTarget, *, pepper: bytes, **given: Any) -> xapi.NewPush:
        """Sends statements on to another LRS or a webhook; `given` as `xapi.add_push` takes it."""
        made = xapi.add_push(self.db, tenant_id=self.tenant_id, name=name, target=target, now=self.now, pepper=pepper, **given)
        self._note("forward.added", name=name, url=target.url if isinstance(target, xapi.WebhookTarget) else target.endpoint)
        return made

    def pause_push(self, name: str) -> None:
        """Stops sending; what comes waits in its order."""
        xapi.pause_push(self.db, tenant_id=self.tenant_id, name=name, now=self.now)
        self._note("forward.paused", name=name)

    def resume_push(self, name: str) -> None:
        """Goes on where it stopped."""
        xapi.resume_push(self.db, tenant_id=self.tenant_id, name=name, now=self.now)
        self._note("forward.resumed", name=name)

    def back_fill_push(self, name: str, since: datetime) -> None:
        """Sends what is stored since a moment once more."""
        xapi.back_fill_push(self.db, tenant_id=self.tenant_id, name=name, since=since, now=self.now)
        self._note("forward.back_filled", name=name, since=rfc3339(since))

    def retry_set_aside(self, name: str, statement_ids: Sequence[str] | None = None) -> int:
        """Has refused statements tried again, all of them when none is named. Returns how many."""
        n = xapi.retry_set_aside(self.db, tenant_id=self.tenant_id, name=name, statement_ids=statement_ids, now=self.now)
        self._note("forward.retried", name=name, statements=n)
        return n

    def rotate_push_secret(self, name: str, *, pepper: bytes, secret: str | None) -> str | None:
        """Replaces the secret of a push; as `xapi.rotate_push_secret`."""
        made = xapi.rotate_push_secret(self.db, tenant_id=self.tenant_id, name=name, now=self.now, pepper=pepper, secret=secret)
        self._note("forward.secret_rotated", name=name)
        return made

    def remove_push(self, name: str) -> None:
        """Ends a push and forgets its secret."""
        xapi.remove_push(self.db, tenant_id=self.tenant_id, name=name, now=self.now)
        self._note("forward.removed", name=name)

    def _note(self, event: str, **details: Any) -> None:
        append_audit(self.db, event=event, actor=self.actor, now=self.now, tenant_id=self.tenant_id, details=details)
