"""Processes that are killed in the middle of their work: nothing acknowledged is lost, nothing is stored twice (R1, R2, A13).

The short suite kills at each fault point of `mortal` once, `--long` at random `N_KILLS` times. Both hold what the clients were told
against the rows.
"""

import html
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event, Lock
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import update

from assessment.models import Attempt
from lti_tool.dev.lms.faults import Faults, ServiceFault
from tests.flows.house import House, running_house
from tests.flows.mortal import COMMIT, HEADER, POINTS, REPLY
from tests.flows.stored import attempts_of, outbox_of, responses_of, scores_of, statement_ids, verbs_of
from tests.flows.walker import Learner, answer_fields, answer_form

N_LEARNERS = 3
KILLS = {6: "worker", 14: "worker", 24: "all", 36: "worker", 44: "worker"}
"""Acknowledged answers, of all learners together, after which one web process is killed, or all and their parent (then started again)."""

READY_SECONDS = 90
HELD_SECONDS = 4
LEASE_SECONDS = 60

N_KILLS = 200
N_AT_ONCE = 4
SHORTEST_LIFE_SECONDS, LONGEST_LIFE_SECONDS = 0.02, 1.0
WORKER_KILLED_EVERY = 4
"""Of the kills at random, every so many hits the worker, the others the web process."""
THINKING_SECONDS = 0.2
N_IMPORTED = 1_100
"""Statements of a file that lands in three batches."""
ROOT = Path(__file__).parents[2]


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


def session_of(learner: Learner) -> requests.Session:
    """What the learner's browser sends by script, for another port of the same tool."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.update(learner.browser.session_of(learner.house.url).cookies.get_dict())
    session.headers.update({"Origin": learner.house.url, "Accept": "text/html", "X-Kaona-Script": "1"})
    return session


def answer_of(learner: Learner, page: requests.Response, port: int) -> tuple[str, dict[str, Any]]:
    """Where the page's answer goes on that port, and its fields."""
    item = learner.respondent.find(html.unescape(page.text))
    fields = answer_fields(page, is_right=learner.respondent.answer(item) == item.correct)
    return f"http://127.0.0.1:{port}{urlsplit(answer_form(page).action).path}", fields


def is_over(page: requests.Response) -> bool:
    return urlsplit(page.url).path.endswith("/result")


def answer_everything(learner: Learner, port: int, ledger: Ledger, *, chance: Random | None = None) -> None:
    """Sits to the end at another port of the same tool, as answer.js does: what is not acknowledged is sent again with the same id.

    chance   of how long the learner thinks; without it not at all
    """
    with session_of(learner) as session:
        page = learner.page
        while not is_over(page):
            address, fields = answer_of(learner, page, port)
            page = _until_acknowledged(session, address, fields, ledger)
            ledger.note(str(learner.attempt_uuid), fields["client_id"])
            if chance is not None:
                time.sleep(chance.random() * THINKING_SECONDS)


def _until_acknowledged(session, address, fields, ledger) -> requests.Response:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            reply = session.post(address, data=fields, timeout=15)
            if reply.status_code < 400:
                return reply
            assert reply.status_code >= 500, (reply.status_code, reply.text[-1500:])
        except requests.RequestException:  # also one whose reply broke off
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


def assert_told_is_stored(learner: Learner, told: list[str]) -> None:
    """The rows are what the learner was told, each once and in order; the sitting is in the record once, with one score on its way."""
    house = learner.house
    stored = [one.client_id for one in responses_of(house, learner.attempt_uuid)]
    assert stored == told
    verbs = verbs_of(house, learner.attempt_uuid)
    assert (verbs.count("completed"), verbs.count("answered")) == (1, len(stored))
    assert len(attempts_of(house, learner.official.id)) == 1
    (score,) = scores_of(house, learner.official.id)
    assert len(outbox_of(house, score)) == 1


class Mortals:
    """Processes of an installation that come from one that stands ready."""

    def __init__(self, house: House) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.mortal"],
            env=os.environ | house.environment() | {"KAONA_LOG_LEVEL": "ERROR"},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self.port: int = self._read()["port"]
        self.web = 0

    def _read(self) -> dict[str, Any]:
        return json.loads(self._process.stdout.readline())

    def begin(self, do: str, **how: Any) -> int:
        """Begins a process; gives its id."""
        self._process.stdin.write(json.dumps({"do": do, **how}) + "\n")
        self._process.stdin.flush()
        return self._read()["pid"]

    def wait_for(self, pid: int) -> int:
        """How a process has ended: below zero the signal."""
        self._process.stdin.write(json.dumps({"do": "wait", "pid": pid}) + "\n")
        self._process.stdin.flush()
        return self._read()["code"]

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert self.wait_for(pid) == -signal.SIGKILL

    def let_die(self, do: str, point: str, **how: Any) -> None:
        """A process that ends at a fault point, and has ended there."""
        assert self.wait_for(self.begin(do, point=point, **how)) == -signal.SIGKILL, point

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def mortals(backend: str, house_of: Callable[[str], House]) -> Iterator[Mortals]:
    processes = Mortals(house_of(backend))
    yield processes
    processes.close()


def is_killed_by(mortals: Mortals, session: requests.Session, address: str, fields: dict[str, Any], point: str) -> requests.Response | None:
    """Sends an answer to a web process that dies at a point. Returns its reply where it does not come there; else another one is up."""
    try:
        reply = session.post(address, data=fields, headers={HEADER: point}, timeout=30)
    except requests.ConnectionError:
        assert mortals.wait_for(mortals.web) == -signal.SIGKILL
        mortals.web = mortals.begin("serve")
        return None
    assert reply.status_code == requests.codes.ok, reply.text[-1500:]
    return reply


def test_a13_a_web_process_that_dies_at_any_point_loses_no_acknowledged_answer_and_stores_none_twice(house, learner, mortals):
    of_answer = [point for point in POINTS if point.startswith("answer")] + [COMMIT, REPLY]
    of_finish = [point for point in POINTS if point.startswith("finish")] + [COMMIT, REPLY]
    learner.begin()
    page, told = learner.page, []
    mortals.web = mortals.begin("serve")

    with session_of(learner) as session:
        while not is_over(page):
            address, fields = answer_of(learner, page, mortals.port)
            points = [*of_answer[:1], *of_finish]
            died = []
            reply = None
            while points and reply is None:
                reply = is_killed_by(mortals, session, address, fields, points[0])
                if reply is None:
                    died.append(points.pop(0))
                    is_stored = len(responses_of(house, learner.attempt_uuid)) - len(told)
                    assert is_stored == (died[-1] == REPLY), died
            page = reply or session.post(address, data=fields, timeout=30)
            told.append(fields["client_id"])
            of_answer = of_answer[1:]
            if is_over(page):
                of_finish = points
    mortals.kill(mortals.web)
    assert not of_answer
    assert not of_finish
    assert_told_is_stored(learner, told)


WORKER_POINTS = [point for point in POINTS if point.startswith("worker: score")]


def test_a13_a_worker_that_dies_at_any_point_of_a_delivery_leaves_one_grade_with_the_right_value(house, mortals):
    house.work()
    for point in WORKER_POINTS:
        learner = Learner(house, next(house.far.newcomers))
        learner.sit()
        (score,) = scores_of(house, learner.official.id)

        mortals.let_die("work", point)
        house.far.lms.faults = Faults(clock_offset_seconds=LEASE_SECONDS + 30)
        with house.clock.put_ahead(seconds=LEASE_SECONDS + 30):
            house.work()
        house.far.lms.faults = Faults()

        assert [one.state for one in outbox_of(house, score)] == ["done"], point
        assert scores_of(house, learner.official.id)[0].state == "sent", point
        assert house.far.grade_of(learner.official.id) == score.given, point
        assert {json.loads(one.body)["scoreGiven"] for one in house.far.received_of(learner.official.id)} == {score.given}, point
        learner.browser.close()


def test_a13_a_worker_that_dies_while_it_ends_an_overdue_sitting_records_it_once(house, learner, mortals):
    learner.begin()
    learner.answer()
    learner.answer()
    told = [one.client_id for one in responses_of(house, learner.attempt_uuid)]
    with house.database.transaction() as db:
        late = house.clock() - timedelta(hours=1)
        db.execute(update(Attempt).where(Attempt.uuid == learner.attempt_uuid).values(deadline_at=late))

    for point in ("worker: overdue sitting ended", "worker: overdue sitting recorded"):
        mortals.let_die("work", point)
        assert attempts_of(house, learner.official.id)[0].state == "open", point
        assert not verbs_of(house, learner.attempt_uuid), point
    worker = mortals.begin("work")
    wait_until(lambda: attempts_of(house, learner.official.id)[0].state == "finished")
    mortals.kill(worker)

    assert_told_is_stored(learner, told)


def test_a13_an_import_that_dies_and_is_gone_on_with_brings_every_statement_in_once(house, mortals, tmp_path):
    ids = [str(uuid.UUID(int=Random(number).getrandbits(128), version=4)) for number in range(N_IMPORTED)]
    file = tmp_path / "statements.ndjson"
    common = {
        "actor": {"account": {"homePage": "https://elsewhere.example", "name": "somebody"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
        "object": {"id": f"https://elsewhere.example/{uuid.uuid4()}"},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    file.write_text("".join(json.dumps({"id": one, **common}) + "\n" for one in ids))
    arguments = [str(file), "--tenant", house.far.agency]

    mortals.let_die("import", "import: batch landed", nth=2, arguments=arguments)
    mortals.let_die("import", "import: batch committed", arguments=[*arguments, "--resume"])
    assert mortals.wait_for(mortals.begin("import", arguments=[*arguments, "--resume"])) == 0

    assert [one for one in statement_ids(house) if one in set(ids)] == ids


@pytest.mark.long
def test_a13_processes_killed_at_random_lose_no_acknowledged_answer_and_store_none_twice(backend, empty_database, tmp_path):
    with running_house(empty_database(backend), tmp_path, n_newcomers=N_KILLS) as house, ExitStack() as stack:
        mortals = Mortals(house)
        stack.callback(mortals.close)
        chance, ledger, enough = Random(backend), Ledger(), Event()
        mortals.web, worker = mortals.begin("serve"), mortals.begin("work")
        sat: list[Learner] = []

        def sit(thinking: Random) -> None:
            while not enough.is_set():
                with ledger.lock:
                    learner = Learner(house, next(house.far.newcomers))
                    sat.append(learner)
                learner.begin()
                answer_everything(learner, mortals.port, ledger, chance=thinking)
                learner.browser.close()

        pool = stack.enter_context(ThreadPoolExecutor(N_AT_ONCE))
        at_it = [pool.submit(sit, Random(number)) for number in range(N_AT_ONCE)]
        n_kills = 0
        while n_kills < N_KILLS and not any(one.done() for one in at_it):
            if n_kills % 2:  # every other process lives until it has served somebody, however slow the machine
                served = ledger.total
                wait_until(lambda served=served: ledger.total > served or any(one.done() for one in at_it))
            time.sleep(chance.uniform(SHORTEST_LIFE_SECONDS, LONGEST_LIFE_SECONDS))
            n_kills += 1
            if n_kills % WORKER_KILLED_EVERY:
                mortals.kill(mortals.web)
                mortals.web = mortals.begin("serve")
            else:
                mortals.kill(worker)
                worker = mortals.begin("work")
        enough.set()
        for one in at_it:
            one.result(timeout=READY_SECONDS)
        mortals.kill(worker)
        house.far.lms.faults = Faults(clock_offset_seconds=LEASE_SECONDS + 30)
        with house.clock.put_ahead(seconds=LEASE_SECONDS + 30):
            house.work()

        sys.stdout.write(f"\n{n_kills} kills, {ledger.total} answers acknowledged in {len(sat)} sittings, {ledger.n_retries} sent again\n")
        assert n_kills == N_KILLS
        assert ledger.n_retries > 0
        for learner in sat:
            assert_told_is_stored(learner, ledger.acknowledged[str(learner.attempt_uuid)])
            (score,) = scores_of(house, learner.official.id)
            assert (score.state, house.far.grade_of(learner.official.id)) == ("sent", score.given)


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
        assert_told_is_stored(learner, ledger.acknowledged[str(learner.attempt_uuid)])
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
