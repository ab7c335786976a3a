"""How far pushes and feeds are behind, as a monitor is told."""

from datetime import timedelta

import pytest

from tests.xapi.outside import outside, refusing, taker
from xapi import api, lags


def measured(database):
    with database.reading() as db:
        return {lag.name: lag for lag in api.measure_lags(db)}


def test_a_push_waits_until_its_target_has_all(world):
    with outside(taker) as receiver:
        world.add(api.WebhookTarget(receiver.url))
        begun = world.clock()
        world.store(2)
        world.clock.forward(seconds=30)
        world.store(1)
        before = measured(world.database)["centre"]
        world.send()

    after = measured(world.database)["centre"]

    assert (before.kind, before.tenant_id, before.waiting, before.oldest_at) == ("webhook", 1, 3, begun)
    assert (after.waiting, after.oldest_at, after.refused, after.is_paused) == (0, None, 0, False)


def test_what_a_target_refused_and_a_pause_are_told(world):
    with outside(taker) as receiver:
        receiver.misdeed = refusing(400)
        world.add(api.LrsTarget(f"{receiver.url}/", "key", "secret", version="1.0.3"))
        world.store(1)
        world.send()
    world.act(api.pause_push, now=world.clock())

    lag = measured(world.database)["centre"]

    assert (lag.kind, lag.refused, lag.is_paused) == ("lrs", 1, True)


def test_a_feed_waits_for_its_consumer(database, lrs, clock, new_statement):
    path = "/xapi/feeds/mine"
    headers = {"Content-Type": "application/json"}
    auth = (lrs.key.key, lrs.key.secret)
    assert lrs.http.put(path, data=b"{}", headers=headers, auth=auth).status_code in (200, 201)
    lrs.post([new_statement(), new_statement()])

    lag = measured(database)["mine"]

    assert (lag.kind, lag.waiting, lag.oldest_at) == ("feed", 2, clock.now)


@pytest.mark.parametrize("bound", ["COUNTED", "SECONDS"])
def test_the_cost_is_bounded(world, monkeypatch, bound):
    world.add(api.WebhookTarget("https://one.example.go.th/hook"), name="one")
    world.add(api.WebhookTarget("https://two.example.go.th/hook"), name="two")
    world.store(3)
    monkeypatch.setattr(lags, bound, 2 if bound == "COUNTED" else 0)

    found = measured(world.database)

    if bound == "COUNTED":
        assert [lag.waiting for lag in found.values()] == [2, 2]
    else:
        assert list(found) == ["one"]


def test_a_push_that_was_removed_is_not_measured(world):
    world.add(api.WebhookTarget("https://one.example.go.th/hook"))
    world.act(api.remove_push, now=world.clock() + timedelta(seconds=1))

    assert measured(world.database) == {}
