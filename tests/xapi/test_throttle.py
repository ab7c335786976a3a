"""A bound of requests for each credential, and for wrong secrets: by key, never by address."""

import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from flask import Flask

from kernel.ids import new_token
from tests.conftest import NOW
from tests.xapi.conftest import PEPPER, LrsClient
from xapi import api, throttle
from xapi.errors import Throttled
from xapi.throttle import WRONG_TRIES, Throttle

pytestmark = pytest.mark.one_database


@pytest.fixture
def bounded(database, clock):
    """An LRS with a bound of three requests a minute."""
    app = Flask("lrs")
    app.register_blueprint(api.create_lrs(database, clock=clock, key_pepper=PEPPER, requests_per_minute=3))
    return app.test_client()


@pytest.fixture
def client(bounded, new_client):
    def make(*scopes, **options):
        return LrsClient(bounded, new_client(*(scopes or ["all"]), **options).key)

    return make


def statuses(client, n):
    return [client.get().status_code for _ in range(n)]


def is_let_in(one, key="key", moment=NOW, **options):
    try:
        one.pass_one(key, moment, **options)
    except Throttled:
        return False
    return True


def test_a_key_over_its_bound_waits_for_the_next_minute(client, clock):
    clock.forward(seconds=48)
    busy = client()

    assert statuses(busy, 5) == [200, 200, 200, 429, 429]
    refused = busy.get()
    assert refused.headers["Retry-After"] == "12"
    assert (refused.json["error"]["code"], refused.json["error"]["rule"]) == ("throttled", "requests_per_minute")
    clock.forward(seconds=12)
    assert busy.get().status_code == 200


def test_nothing_of_a_throttled_batch_is_stored(client, new_statement):
    busy = client()
    statuses(busy, 3)

    assert busy.post([new_statement()]).status_code == 429
    assert client().ids() == []


def test_keys_do_not_wait_for_each_other(client):
    """S30: many clients stand behind one address."""
    assert [statuses(client(), 3) for _ in range(3)] == [[200] * 3] * 3


def test_a_key_may_have_its_own_bound(client):
    assert statuses(client(requests_per_minute=1), 2) == [200, 429]
    assert statuses(client(requests_per_minute=10), 10) == [200] * 10


def test_tokens_of_a_key_share_its_bound(client):
    busy = client()
    form = {"grant_type": "client_credentials"}
    token = busy.http.post("/oauth/token", data=form, auth=(busy.key.key, busy.key.secret)).json["access_token"]
    headers = {"Authorization": f"Bearer {token}", "X-Experience-API-Version": "2.0.0"}

    assert statuses(busy, 1) == [200]
    assert [busy.http.get("/xapi/statements", headers=headers).status_code for _ in range(2)] == [200, 429]
    assert busy.http.post("/oauth/token", data=form, auth=(busy.key.key, busy.key.secret)).status_code == 429


def test_without_a_bound_nobody_waits(lrs):
    assert set(statuses(lrs, 50)) == {200}


@pytest.mark.parametrize("address", ["/xapi/statements", "/oauth/token"])
def test_wrong_secrets_are_throttled_but_the_right_one_passes(lrs, new_client, address):
    """H60: and nobody locks the owner of a key out."""
    other = new_client("all")

    def tried(key, secret):
        if address == "/oauth/token":
            return lrs.http.post(address, data={"grant_type": "client_credentials"}, auth=(key, secret)).status_code
        return lrs.http.get(address, headers={"X-Experience-API-Version": "2.0.0"}, auth=(key, secret)).status_code

    assert [tried(lrs.key.key, f"wrong {n}") for n in range(50)] == [401] * WRONG_TRIES + [429] * (50 - WRONG_TRIES)
    assert tried(lrs.key.key, lrs.key.secret) == 200
    assert tried(other.key.key, "wrong") == 401


def test_made_up_names_do_not_fill_the_memory():
    one = Throttle()
    for n in range(10_000):
        try:
            one.wrong_try(f"made up {n}", NOW)
        except Throttled:
            continue

    assert len(one._here) <= throttle._PLACES


def test_counts_of_a_past_minute_are_forgotten():
    one = Throttle(5)
    for n in range(1_000):
        assert is_let_in(one, f"key {n}")
    assert is_let_in(one, moment=NOW + timedelta(minutes=1))

    assert len(one._here) == 1


def test_many_threads_are_counted_as_one():
    one, let_in = Throttle(500), []
    threads = [threading.Thread(target=lambda: let_in.extend(is_let_in(one) for _ in range(200))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(let_in) == 500


class SharedCounter:
    """As much of a Redis as a shared count needs: any script increments its key, on real sockets."""

    def __init__(self) -> None:
        self.counts: dict[bytes, int] = {}
        shared = self

        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while line := self.rfile.readline():
                    words = []
                    for _ in range(int(line[1:])):
                        size = int(self.rfile.readline()[1:])
                        words.append(self.rfile.read(size + 2)[:-2])
                    self.wfile.write(shared.answer(words))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk)
        self._server.daemon_threads = True
        self.url = f"redis://127.0.0.1:{self._server.server_address[1]}/0"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, words: list[bytes]) -> bytes:
        if words[0] != b"EVALSHA":
            return b"-ERR unknown\r\n" if words[0] == b"HELLO" else b"+OK\r\n"
        self.counts[words[3]] = self.counts.get(words[3], 0) + 1
        return b":%d\r\n" % self.counts[words[3]]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def redis():
    """A store of counts that processes share: a real Redis where `KAONA_TEST_REDIS_URL` names one, else a small stand-in."""
    if "KAONA_TEST_REDIS_URL" in os.environ:
        yield os.environ["KAONA_TEST_REDIS_URL"]
        return
    pytest.importorskip("redis")
    shared = SharedCounter()
    yield shared.url
    shared.close()


def test_processes_count_together_in_redis(redis):
    key = new_token(16)
    processes = [Throttle(3, redis), Throttle(3, redis)]

    assert [is_let_in(processes[n % 2], key) for n in range(5)] == [True, True, True, False, False]
    assert is_let_in(processes[0], key, NOW + timedelta(minutes=1))


def test_the_loss_of_redis_refuses_nobody_and_hardly_delays():
    """Its loss changes speed, never truth."""
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and never answers
        one = Throttle(3, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()

        assert [is_let_in(one) for _ in range(5)] == [True, True, True, False, False]
        assert time.monotonic() - began < throttle.REDIS_SECONDS * 5


def test_a_redis_that_comes_back_counts_again(redis, monkeypatch):
    key = new_token(16)
    one, other = Throttle(2, "redis://127.0.0.1:1/0"), Throttle(2, redis)
    assert is_let_in(one, key)
    one._shared = other._shared

    assert [is_let_in(other, key) for _ in range(2)] == [True, True]
    assert is_let_in(one, key)  # it still counts alone
    later = time.monotonic() + throttle.AWAY_SECONDS
    monkeypatch.setattr(throttle.time, "monotonic", lambda: later)
    assert not is_let_in(one, key)


def test_redis_is_loaded_only_where_it_is_set():
    code = "import sys; from xapi.throttle import Throttle; Throttle(3); print({'redis', 'limits'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
