"""Processes that are killed in the middle of their work: nothing acknowledged is lost, nothing is stored twice (R1, R2, A13)."""

import html
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

import requests

from lti_tool.dev.lms.faults import Faults, ServiceFault
from tests.flows.house import House
from tests.flows.stored import outbox_of, responses_of, scores_of, verbs_of
from tests.flows.walker import Learner, answer_fields, answer_form

N_LEARNERS = 3
KILLS = {6: "worker", 14: "worker", 24: "all", 36: "worker", 44: "worker"}
"""Acknowledged answers, of all learners together, after which one web process is killed, or all and their parent (then started again)."""

READY_SECONDS = 90
HELD_SECONDS = 4
LEASE_SECONDS = 60


@contextmanager
def running(house: House, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the installation; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lti_tool", *arguments],
        env=os.environ | house.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def children_of(pid: int) -> list[int]:
    """Processes that this one started and that live."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed if "State:\tZ" not in Path(f"/proc/{child}/status").read_text()]


@dataclass
class Ledger:
    """What the clients were told: attempt to the client ids of acknowledged answers, in order."""

    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    n_retries: int = 0
    lock: Lock = field(default_factory=Lock)

    def note(self, attempt: str, client_id: str) -> None:
        with self.lock:
            self.acknowledged.setdefault(attempt, []).append(client_id)

    @property
    def total(self) -> int:
        with self.lock:
            return sum(map(len, self.acknowledged.values()))


def answer_everything(learner: Learner, port: int, ledger: Ledger) -> None:
    """Sits to the end at another port of the same tool, as answer.js does: what is not acknowledged is sent again with the same id."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.update(learner.browser.session_of(learner.house.url).cookies.get_dict())
    session.headers.update({"Origin": learner.house.url, "Accept": "text/html", "X-Kaona-Script": "1"})
    page = learner.page
    while not urlsplit(page.url).path.endswith("/result"):
        item = learner.respondent.find(html.unescape(page.text))
        fields = answer_fields(page, is_right=learner.respondent.answer(item) == item.correct)
        address = f"http://127.0.0.1:{port}{urlsplit(answer_form(page).action).path}"
        page = _until_acknowledged(session, address, fields, ledger)
        ledger.note(str(learner.attempt_uuid), fields["client_id"])
    session.close()


def _until_acknowledged(session, address, fields, ledger) -> requests.Response:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            reply = session.post(address, data=fields, timeout=15)
            if reply.status_code < 400:
                return reply
            assert reply.status_code >= 500, (reply.status_code, reply.text[-1500:])
        except (requests.ConnectionError, requests.Timeout):
            pass
        with ledger.lock:
            ledger.n_retries += 1
        time.sleep(0.1)
    raise AssertionError("the tool did not come back")


def wait_until(condition, seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_up(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def test_r1_a_killed_web_process_loses_no_acknowledged_answer_and_stores_none_twice(house):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    learners = [Learner(house, next(house.far.newcomers)) for _ in range(N_LEARNERS)]
    for learner in learners:
        learner.begin()
    ledger = Ledger()

    with ExitStack() as stack:
        web = stack.enter_context(running(house, "serve", "--port", str(port)))
        pool = stack.enter_context(ThreadPoolExecutor(N_LEARNERS))
        wait_until(lambda: is_up(port))
        sitting = [pool.submit(answer_everything, learner, port, ledger) for learner in learners]
        for limit, what in KILLS.items():
            wait_until(lambda limit=limit: ledger.total >= limit or any(one.done() for one in sitting))
            if what == "all":
                os.killpg(web.pid, signal.SIGKILL)
                web.wait()
                web = stack.enter_context(running(house, "serve", "--port", str(port)))
                wait_until(lambda: is_up(port))
            else:  # the process that has lived longest: granian gives up when one and the same place dies twice within 5.5 s
                os.kill(children_of(web.pid)[0], signal.SIGKILL)
        for one in sitting:
            one.result(timeout=READY_SECONDS)

    assert ledger.n_retries > 0
    for learner in learners:
        stored = [one.client_id for one in responses_of(house, learner.attempt_uuid)]
        assert stored == ledger.acknowledged[str(learner.attempt_uuid)]
        verbs = verbs_of(house, learner.attempt_uuid)
        assert (verbs.count("completed"), verbs.count("answered")) == (1, len(stored))
        assert len(scores_of(house, learner.official.id)) == 1
        learner.browser.close()


def test_r2_a_worker_killed_between_sending_and_noting_leaves_one_grade_with_the_same_value(house, learner):
    house.work()
    learner.sit()
    (score,) = scores_of(house, learner.official.id)
    house.far.lms.faults = Faults(ags=[ServiceFault(status=503, is_stored=True, hold_seconds=HELD_SECONDS)])

    try:
        with running(house, "worker") as worker:
            wait_until(lambda: house.far.grade_of(learner.official.id) is not None)
            worker.kill()
            worker.wait()
        (row,) = outbox_of(house, score)
        assert (row.state, scores_of(house, learner.official.id)[0].state) == ("waiting", "waiting")
        house.far.lms.faults = Faults()
        house.work()
        assert outbox_of(house, score)[0].state == "waiting", "another worker took a row whose lease had not run out"
        house.far.lms.faults = Faults(clock_offset_seconds=LEASE_SECONDS + 30)
        with house.clock.put_ahead(seconds=LEASE_SECONDS + 30):
            house.work()
    finally:
        house.far.lms.faults = Faults()

    (row,) = outbox_of(house, score)
    assert (row.state, row.attempts) == ("done", 2)
    assert house.far.grade_of(learner.official.id) == score.given
    wait_until(lambda: len(house.far.received_of(learner.official.id)) == 2)  # the first one's answer is still held back
    assert {json.loads(one.body)["scoreGiven"] for one in house.far.received_of(learner.official.id)} == {score.given}
    assert scores_of(house, learner.official.id)[0].state == "sent"
