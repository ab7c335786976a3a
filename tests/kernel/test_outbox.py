from datetime import timedelta

from kernel import outbox
from kernel.db import Database


def test_the_same_key_is_kept_once(database: Database, now):
    with database.transaction() as db:
        assert outbox.put(db, tenant_id=1, kind="score.publish", key="a", payload={}, now=now)
        assert not outbox.put(db, tenant_id=1, kind="score.publish", key="a", payload={"other": 1}, now=now)

    with database.transaction() as db:
        claimed = outbox.claim(db, kinds=["score.publish"], now=now)

    assert [item.payload for item in claimed] == [{}]


def test_a_claimed_item_is_not_claimed_again_until_its_lease_ends(database: Database, now):
    with database.transaction() as db:
        outbox.put(db, tenant_id=1, kind="score.publish", key="a", payload={}, now=now)
    with database.transaction() as db:
        first = outbox.claim(db, kinds=["score.publish"], now=now)
    with database.transaction() as db:
        during = outbox.claim(db, kinds=["score.publish"], now=now + timedelta(seconds=59))
    with database.transaction() as db:
        after = outbox.claim(db, kinds=["score.publish"], now=now + timedelta(seconds=60))

    assert (len(first), len(during), len(after)) == (1, 0, 1)
    assert after[0].attempts == 2
    with database.transaction() as db:
        assert not outbox.finish(db, first[0], now=now)
        assert outbox.finish(db, after[0], now=now)
