"""Forwarding to an LRS that somebody else wrote: Ralph 5.1.0 from its package, as `bench/ralph.py` runs it."""

import json
import subprocess
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from bench import ralph as other
from kernel.clock import system_clock
from tests.xapi.outside import Outside, outside, taker
from tests.xapi.pushing import World
from xapi import api

pytestmark = [pytest.mark.long, pytest.mark.one_database]


@pytest.fixture(scope="module")
def ralph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a running Ralph; its user is `kaona`, its password `secret`."""
    with other.running(other.ensure_python(), tmp_path_factory.mktemp("ralph")) as port:
        yield f"http://127.0.0.1:{port}{other.PATH}"


@pytest.fixture
def held(ralph: str) -> Callable[[], list[str]]:
    """Ids of the statements that Ralph holds and that are of this test, in the order in which it took them."""
    before = len(_statements(ralph))
    return lambda: [statement["id"] for statement in _statements(ralph)[before:]]


@pytest.fixture
def target(ralph: str) -> api.LrsTarget:
    return api.LrsTarget(ralph, "kaona", "secret", version="1.0.3")


@pytest.fixture
def ids(world: World) -> Iterator[World]:
    """Ralph outlives each test's LRS: no statement of one test has the id of another's."""
    world.n = uuid.uuid4().int >> 80
    return world


def test_ralph_takes_several_batches_in_order_and_once(world: World, ids: World, target: api.LrsTarget, held: Callable[[], list[str]]):
    world.add(target)
    stored = world.store(250, result={"score": {"scaled": 0.5}, "duration": "PT3M"})

    assert world.send() == 3
    assert held() == stored

    world.act(api.back_fill_push, since=world.clock() - timedelta(days=1), now=world.clock())
    assert world.send() == 3
    assert held() == stored
    assert (world.view().waiting, world.view().set_aside) == (0, 0)


def test_what_ralph_refuses_is_set_aside_with_its_reason_and_the_rest_arrives(
    world: World, ids: World, target: api.LrsTarget, held: Callable[[], list[str]]
):
    world.add(target)
    before = world.store(20)
    (about_a_person,) = world.store(object={"objectType": "Agent", "mbox": "mailto:a@b.example"})  # Ralph wants an id in every object
    after = world.store(20)

    world.send()

    assert held() == before + after
    (aside,) = world.refused()
    assert aside.statement_id == about_a_person
    assert aside.reason.startswith("status 422")
    assert "Field required" in aside.reason


def test_ralphs_409_means_that_the_id_is_there(world: World, ids: World, target: api.LrsTarget, held: Callable[[], list[str]]):
    world.add(target)
    first, second = world.store(2)
    other = {
        "id": first,
        "actor": {"mbox": "mailto:a@b.example"},
        "verb": {"id": "http://a.example/v"},
        "object": {"id": "http://a.example/o"},
    }
    assert _asked(f"{target.endpoint}/statements", json.dumps([other]).encode()) == [first]

    world.send()

    assert held() == [first, second]
    assert (world.view().known, world.view().sent, world.view().set_aside) == (1, 1, 0)


def test_a_wrong_password_at_ralph_pauses_the_push(world: World, ids: World, target: api.LrsTarget, held: Callable[[], list[str]]):
    world.add(api.LrsTarget(target.endpoint, "kaona", "wrong", version="1.0.3"))
    world.store(3)

    world.send()

    assert (world.view().paused_for, held()) == ("status 401", [])


def test_a_webhook_passes_the_published_library_of_standard_webhooks(world: World):
    verify = "import sys, json; from standardwebhooks.webhooks import Webhook; told = json.load(sys.stdin); "
    verify += "print(len(Webhook(told['secret']).verify(told['body'], told['headers'])['statements']))"
    python = other.ensure_python()
    world.clock.now = system_clock()  # the library compares with its own clock
    with outside(taker) as receiver:
        secret = world.add(api.WebhookTarget(receiver.url)).secret
        world.store(2)
        world.send()

    told = _told(receiver, secret)

    def verified(**changed: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run([python, "-c", verify], input=json.dumps(told | changed), capture_output=True, text=True, check=False)

    assert verified().stdout == "2\n"
    assert "No matching signature" in verified(body=told["body"] + " ").stderr
    late = {**told["headers"], "webhook-timestamp": str(int(told["headers"]["webhook-timestamp"]) - 301)}
    assert "too old" in verified(headers=late).stderr


def _told(receiver: Outside, secret: str | None) -> dict[str, Any]:
    (call,) = receiver.calls
    return {"secret": secret, "body": call.body.decode(), "headers": call.headers}


def _statements(endpoint: str) -> list[dict[str, Any]]:
    found = _asked(f"{endpoint}/statements?limit=1000")["statements"]
    assert len(found) < 1000
    return found


def _asked(url: str, body: bytes | None = None) -> Any:
    headers = {"Authorization": "Basic a2FvbmE6c2VjcmV0", "X-Experience-API-Version": "1.0.3", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        return json.load(answer)
