"""The receiver that the page on forwarding shows: it runs as it stands there, takes what is genuine, and nothing else."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kernel.clock import system_clock
from tests.xapi.pushing import World
from xapi import api, webhooks

pytestmark = pytest.mark.one_database

PAGES = Path(__file__).parents[2] / "docs"
SECRET = webhooks.new_secret()


def program_of(page: str) -> str:
    (program,) = re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)
    return program


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address, and the process."""
    file = tmp_path / "receiver.py"
    file.write_text(program_of("forwarding.md"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen([sys.executable, file, SECRET, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.02)
    yield f"http://127.0.0.1:{port}/", running
    running.kill()
    running.communicate()


def test_the_receiver_of_the_page_takes_what_is_genuine_once(world: World, receiver: tuple[str, "subprocess.Popen[str]"]):
    url, running = receiver
    world.clock.now = system_clock()
    world.add(api.WebhookTarget(url, SECRET))
    ids = world.store(3)
    world.send()
    world.act(api.back_fill_push, since=world.clock() - timedelta(hours=1), now=world.clock())
    ids += world.store()
    world.send()
    assert (world.view().sent, world.view().last_error) == (7, None)

    assert running.stdout is not None
    assert [running.stdout.readline().split()[0] for _ in ids] == ids
    running.kill()
    assert running.stdout.read() == ""


def test_the_receiver_of_the_page_refuses_what_was_changed_signed_by_others_or_kept_back(receiver: tuple[str, "subprocess.Popen[str]"]):
    url, _ = receiver
    body = webhooks.body_of("centre", "1", [json.dumps({"id": "a", "verb": {"id": "b"}})])
    now = system_clock()

    def status(body_sent: bytes, headers: dict[str, str]) -> int:
        try:
            return urllib.request.urlopen(urllib.request.Request(url, body_sent, headers)).status
        except urllib.error.HTTPError as error:
            return error.code

    key, other = webhooks.key_of(SECRET), webhooks.key_of(webhooks.new_secret())
    genuine = webhooks.headers_of(body, [key], now)
    assert status(body, genuine) == 204
    assert status(body, webhooks.headers_of(body, [other, key], now)) == 204, "while a secret is being replaced, either may match"
    assert status(body + b" ", genuine) == 401
    assert status(body, webhooks.headers_of(body, [other], now)) == 401
    assert status(body, {**genuine, "webhook-id": "msg_2"}) == 401
    assert status(body, {**genuine, "webhook-signature": "v2,\u00e9 v1 nothing"}) == 401
    assert status(body, {}) == 401
    for minutes in (-6, 6):
        assert status(body, webhooks.headers_of(body, [key], now + timedelta(minutes=minutes))) == 401


def test_both_languages_show_the_same_receiver():
    assert program_of("forwarding.th.md") == program_of("forwarding.md")
