"""Clients of an LRS under load, for `bench.lrs`: keep-alive connections of their own, in a process of their own."""

import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

HOME = "https://agency.example.go.th"
VERBS = {"answered": 80, "completed": 6, "passed": 4, "failed": 3, "initialized": 5, "terminated": 2}
"""Verbs and how often each comes in a hundred."""
VERB = "http://adlnet.gov/expapi/verbs/"
N_PEOPLE, N_ITEMS, N_COURSES = 15_000, 600, 40
N_BUSY = 50
"""People, and items, that half of all statements are about: a page of theirs is full in a small store, too."""


@dataclass(slots=True)
class Told:
    """What clients were told, and seconds from each request to its answer."""

    seconds: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    """Of statements that were acknowledged."""
    errors: list[str] = field(default_factory=list)
    n_found: int = 0
    """Statements in all answers."""
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where an LRS listens, and how its callers are known."""

    port: int
    authorization: str
    path: str = "/xapi/statements"
    version: str = "2.0.0"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": self.authorization, "X-Experience-API-Version": self.version, "Content-Type": "application/json"}

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


def new_statement(chance: random.Random) -> dict[str, Any]:
    """An answer to an item as a person of an agency gives it: 2.4 kB of JSON with Thai names, in the mean."""
    person = chance.randrange(N_BUSY if chance.random() < 0.5 else N_PEOPLE)
    item = chance.randrange(N_BUSY if chance.random() < 0.5 else N_ITEMS)
    course = item % N_COURSES
    success = chance.random() < 0.6
    verb = chance.choices(list(VERBS), list(VERBS.values()))[0]
    return {
        "id": _uuid(chance.getrandbits(128)),
        "actor": {
            "objectType": "Agent",
            "name": f"เจ้าหน้าที่คนที่ {person} กองพัฒนาระบบดิจิทัลภาครัฐ",
            "account": {"homePage": f"{HOME}/people", "name": person_name(person)},
        },
        "verb": {"id": VERB + verb, "display": {"th": "ตอบคำถาม", "en": verb}},
        "object": {
            "objectType": "Activity",
            "id": f"{HOME}/items/{item}",
            "definition": {
                "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
                "name": {"th": f"ข้อสอบข้อที่ {item} ทักษะด้านดิจิทัลของข้าราชการ", "en": f"Item {item} of the digital skills assessment"},
                "description": {"th": "เลือกคำตอบที่ถูกต้องที่สุดเพียงข้อเดียว"},
                "interactionType": "choice",
                "correctResponsesPattern": ["b"],
                "choices": [{"id": letter, "description": {"th": f"ตัวเลือก {letter} ของข้อ {item}"}} for letter in "abcd"],
            },
        },
        "result": {
            "success": success,
            "response": chance.choice("abcd"),
            "score": {"scaled": float(success), "raw": int(success), "min": 0, "max": 1},
            "duration": f"PT{chance.randrange(5, 300)}.{chance.randrange(100):02}S",
            "extensions": {f"{HOME}/x/theta": round(chance.gauss(0, 1), 6), f"{HOME}/x/sem": round(chance.random(), 6)},
        },
        "context": {
            "registration": registration(person, course),
            "language": "th",
            "platform": "Kaona",
            "contextActivities": {
                "parent": [_activity(f"{HOME}/assessments/{course}", f"แบบประเมินชุดที่ {course}")],
                "grouping": [_activity(f"{HOME}/courses/{course}", f"หลักสูตรพัฒนาทักษะดิจิทัล รุ่น {course}")],
                "category": [_activity("https://w3id.org/kaona/xapi/profile/1.0", "ประวัติการเรียนรู้")],
            },
            "extensions": {f"{HOME}/x/attempt": _uuid(chance.getrandbits(128)), f"{HOME}/x/section": course % 5},
        },
        "timestamp": "2026-11-22T02:30:00.123Z",
    }


def person_name(person: int) -> str:
    """Account name of a person by number."""
    return _uuid(person * 7919 + 1)


def registration(person: int, course: int) -> str:
    """Registration of a person's sitting."""
    return _uuid(person * 104_729 + course)


def new_bodies(count: int, size: int, seed: int) -> list[bytes]:
    """Bodies of POST requests, of so many statements each; none has an id of another."""
    chance = random.Random(seed)
    batches = ([new_statement(chance) for _ in range(size)] for _ in range(count))
    return [json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode() for batch in batches]  # as a browser writes it


def post_all(server: Server, count: int, size: int, seed: int, n_clients: int) -> Told:
    """Sends so many batches by so many clients at once, each as soon as the one before was answered."""
    bodies = new_bodies(count, size, seed)
    told, turn = Told(), iter(bodies)
    lock = threading.Lock()

    def client(_number: int) -> None:
        connection = server.connect()
        while True:
            with lock:
                body = next(turn, None)
            if body is None:
                return
            begun = time.perf_counter()
            status, answer = _call(connection, "POST", server.path, server.headers, body)
            taken = time.perf_counter() - begun
            with lock:
                told.seconds.append(taken)
                if status == 200:
                    told.ids += json.loads(answer)
                else:
                    told.errors.append(str(status))

    begun = time.perf_counter()
    _at_once(n_clients, client)
    told.elapsed = time.perf_counter() - begun
    return told


def get_all(server: Server, queries: Sequence[Mapping[str, str]]) -> Told:
    """Asks one query after the other on one connection."""
    told, connection = Told(), server.connect()
    for query in queries:
        begun = time.perf_counter()
        status, answer = _call(connection, "GET", f"{server.path}?{urlencode(query)}", server.headers)
        told.seconds.append(time.perf_counter() - begun)
        told.n_found += answer.count(b'"stored":')
        if status != 200:
            told.errors.append(str(status))
    return told


def walk(server: Server, n_pages: int) -> list[float]:
    """Seconds of each of the first pages of 25 statements, from one to the next by their `more` links."""
    connection, path, seconds = server.connect(), f"{server.path}?limit=25", []
    while path and len(seconds) < n_pages:
        begun = time.perf_counter()
        _, answer = _call(connection, "GET", path, server.headers)
        seconds.append(time.perf_counter() - begun)
        path = json.loads(answer)["more"]
    return seconds


def write_and_poll(server: Server, n_batches: int, size: int, seed: int, n_writers: int) -> dict[str, Any]:
    """Many writers and, at the same time, a consumer that polls by `since` and one that walks by `more`.

    Returns  statements acknowledged, and of each consumer how many it missed, saw twice or saw out of order
    """
    is_over = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        pollers = {name: pool.submit(poll, server, is_over) for name, poll in (("since", _poll_since), ("more", _poll_more))}
        told = post_all(server, n_batches, size, seed, n_writers)
        is_over.set()
        seen = {name: poller.result() for name, poller in pollers.items()}
    written = set(told.ids)
    faults = {
        name: {
            "missed": len(written - {one for one, _ in rows}),
            "twice": len(rows) - len({one for one, _ in rows}),
            "out_of_order": sum(before[1] >= after[1] for before, after in pairwise(rows)),
        }
        for name, rows in seen.items()
    }
    return {"acknowledged": len(told.ids), "errors": told.errors, "seconds": round(told.elapsed, 1), "consumers": faults}


def _poll_since(server: Server, is_over: threading.Event) -> list[tuple[str, str]]:
    """Id and `stored` of all statements, asked for from the last `stored` on."""
    connection, seen, since = server.connect(), [], None
    while True:
        over = is_over.is_set()
        query = {"ascending": "true", "limit": "200"} | ({"since": since} if since else {})
        page = json.loads(_call(connection, "GET", f"{server.path}?{urlencode(query)}", server.headers)[1])["statements"]
        seen += [(statement["id"], statement["stored"]) for statement in page]
        if page:
            since = page[-1]["stored"]
        elif over:
            return seen
        else:
            time.sleep(0.02)


def _poll_more(server: Server, is_over: threading.Event) -> list[tuple[str, str]]:
    """Id and `stored` of all statements: each walk by `more` to its end, the next one from the last `stored` on."""
    connection, seen, since = server.connect(), [], None
    while True:
        over = is_over.is_set()
        path = f"{server.path}?" + urlencode({"ascending": "true", "limit": "50"} | ({"since": since} if since else {}))
        found = 0
        while path:
            answer = json.loads(_call(connection, "GET", path, server.headers)[1])
            seen += [(statement["id"], statement["stored"]) for statement in answer["statements"]]
            found += len(answer["statements"])
            path = answer["more"]
        if found:
            since = seen[-1][1]
        elif over:
            return seen
        else:
            time.sleep(0.02)


def _at_once(n_clients: int, client: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(n_clients) as pool:
        for done in [pool.submit(client, number) for number in range(n_clients)]:
            done.result()


def _call(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    return answer.status, answer.read()


def _activity(iri: str, name: str) -> dict[str, Any]:
    return {"objectType": "Activity", "id": iri, "definition": {"name": {"th": name}}}


def _uuid(bits: int) -> str:
    return str(uuid.UUID(int=bits, version=4))
