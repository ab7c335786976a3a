"""People who take the assessment, for `bench.answer` and `bench.exam`: many keep-alive connections in one event loop of an own process.

A taker reads the item page that an answer brings back, as a browser does, and answers it in some well-formed way.
"""

import asyncio
import re
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

TIMEOUT_SECONDS = 30.0
HIDDEN = {name: re.compile(rb'name="%s" value="([^"]*)"' % name.encode()) for name in ("presentation", "kind", "csrf")}
CHOICE = re.compile(rb'name="value" value="([^"]+)"')
LINE = re.compile(rb'name="(order-[^"]+)"')
MATCH = re.compile(rb'name="(match-[^"]+)"')
TARGET = re.compile(rb'<option value="([^"]+)"')
ATTEMPT = re.compile(r"/attempts/([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class Taker:
    """One person with an open session; on the bare baseline with a token and nothing else."""

    cookie: str
    launch: str
    form: str
    csrf: str
    token: str = ""


@dataclass(slots=True)
class Told:
    """What the takers were told and how long it took, seconds."""

    answers: list[float] = field(default_factory=list)
    """Answer to next item."""
    finishes: list[float] = field(default_factory=list)
    """Last answer to the way to the result, with all that a finish stores."""
    starts: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    """Client ids."""
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """Length of the measured window."""


def take(port: int, takers: list[Taker], *, seconds: float, pause: float, warm_up: int, seed: int) -> Told:
    """Lets all takers answer for a while.

    pause     mean seconds from one answer of a taker to the next; 0 answers at once
    warm_up   every taker first answers 0 to so many items, unmeasured, so that they do not all finish at the same time
    """
    return asyncio.run(_take(port, takers, seconds=seconds, pause=pause, warm_up=warm_up, chance=Random(seed)))


async def _take(port: int, takers: list[Taker], *, seconds: float, pause: float, warm_up: int, chance: Random) -> Told:
    told, warm = Told(), Told()
    people = [_Person(port, taker, Random(chance.random())) for taker in takers]
    await _in_groups([person.prepare(chance.randint(0, warm_up), warm) for person in people])
    begun = time.perf_counter()
    await asyncio.gather(*(person.go_on(begun + seconds, pause, told) for person in people))
    told.seconds = time.perf_counter() - begun
    _take_over(told, warm)
    return told


def hold(port: int, takers: list[Taker], *, rate: float, seconds: float, seats: int, warm_up: int, seed: int) -> Told:
    """Saves come at a given rate, whatever the server makes of it; who has finished is followed by the next of the takers.

    Each save is due at a moment of its own (pauses between them as of people who know nothing of each other) and its time is
    counted from that moment, also where everybody is still waiting for an answer.
    rate    saves a second
    seats   people at it at once
    """
    return asyncio.run(_hold(port, takers, rate=rate, seconds=seconds, seats=seats, warm_up=warm_up, chance=Random(seed)))


async def _hold(port: int, takers: list[Taker], *, rate: float, seconds: float, seats: int, warm_up: int, chance: Random) -> Told:
    told, warm = Told(), Told()
    others = iter(takers[seats:])
    people = [_Person(port, taker, Random(chance.random())) for taker in takers[:seats]]
    await _in_groups([person.prepare(chance.randint(0, warm_up), warm) for person in people])
    free: asyncio.Queue[_Person] = asyncio.Queue()
    for person in people:
        free.put_nowait(person)

    async def save(person: _Person, due: float) -> None:
        await person.answer(told, due)
        if person.has_finished:
            person.leave()
            person = _Person(port, next(others, person.taker), Random(chance.random()))
            await person.prepare(0, told)
        free.put_nowait(person)

    begun = due = time.perf_counter()
    under_way: set[asyncio.Task[None]] = set()
    while (due := due + chance.expovariate(rate)) < begun + seconds:
        await asyncio.sleep(due - time.perf_counter())
        task = asyncio.create_task(save(await free.get(), due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    told.seconds = time.perf_counter() - begun
    _take_over(told, warm)
    return told


def press(port: int, takers: list[Taker], *, times: int, warm_up: int, seed: int) -> Told:
    """All takers send an answer at the same moment, some times over; counted from that moment."""
    return asyncio.run(_press(port, takers, times=times, warm_up=warm_up, chance=Random(seed)))


async def _press(port: int, takers: list[Taker], *, times: int, warm_up: int, chance: Random) -> Told:
    told, warm = Told(), Told()
    people = [_Person(port, taker, Random(chance.random())) for taker in takers]
    await _in_groups([person.prepare(chance.randint(0, warm_up), warm) for person in people])
    for _ in range(times):
        await _in_groups([person.prepare(0, warm) for person in people])
        await asyncio.sleep(1)
        moment = time.perf_counter()
        await asyncio.gather(*(person.answer(told, moment) for person in people))
        told.seconds += time.perf_counter() - moment
    _take_over(told, warm)
    return told


def _take_over(told: Told, warm: Told) -> None:
    """What was sent before the measuring counts for the comparison with what is stored."""
    told.acknowledged += warm.acknowledged
    told.errors += warm.errors


async def _in_groups(work: list[Coroutine[Any, Any, None]], size: int = 10) -> None:
    gate = asyncio.Semaphore(size)

    async def one(part: Coroutine[Any, Any, None]) -> None:
        async with gate:
            await part

    await asyncio.gather(*map(one, work))


class _Person:
    """A taker with one connection."""

    def __init__(self, port: int, taker: Taker, chance: Random) -> None:
        self._port = port
        self._taker = taker
        self._chance = chance
        self._page = b""
        self._attempt = ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def taker(self) -> Taker:
        """Whose answers these are."""
        return self._taker

    @property
    def has_finished(self) -> bool:
        """Whether the last answer ended the sitting; on the baseline nothing does."""
        return not self._page and not self._taker.token

    async def prepare(self, n_answers: int, told: Told) -> None:
        """Answers some items and stands at the next one."""
        for _ in range(n_answers):
            await self.answer(told)
        if self.has_finished:
            await self._start(told)

    async def go_on(self, until: float, pause: float, told: Told) -> None:
        await asyncio.sleep(self._chance.random() * pause)
        while (now := time.perf_counter()) < until:
            await self.answer(told)
            await asyncio.sleep(max(0.0, now + pause * self._chance.uniform(0.5, 1.5) - time.perf_counter()))
        self.leave()

    def leave(self) -> None:
        """Closes the connection."""
        if self._streams:
            self._streams[1].close()

    async def answer(self, told: Told, due: float | None = None) -> None:
        """Sends one answer. due: when it should have left, on the clock `perf_counter`; its time counts from there."""
        if self._taker.token:
            await self._answer_bare(told, due)
            return
        if not self._page:
            await self._start(told)
        fields = self._fields()
        begun = due or time.perf_counter()
        try:
            path = f"/learn/{self._taker.launch}/attempts/{self._attempt}/responses"
            status, location, body = await self._send("POST", path, urlencode(fields))
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            told.errors.append(type(error).__name__)
            return
        taken = time.perf_counter() - begun
        if status == 200 and b"data-answer" in body:
            told.answers.append(taken)
            self._page = body
        elif status == 303 and location.endswith("/result"):
            told.finishes.append(taken)
            self._page = b""
        else:
            told.errors.append(str(status))
            return
        told.acknowledged.append(dict(fields)["client_id"])

    async def _answer_bare(self, told: Told, due: float | None) -> None:
        fields = {"token": self._taker.token, "client_id": self._new_id(), "value": "b"}
        begun = due or time.perf_counter()
        try:
            status, _, _ = await self._send("POST", "/answer", urlencode(fields))
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            told.errors.append(type(error).__name__)
            return
        if status == 200:
            told.answers.append(time.perf_counter() - begun)
            told.acknowledged.append(fields["client_id"])
        else:
            told.errors.append(str(status))

    async def _start(self, told: Told) -> None:
        begun = time.perf_counter()
        form = urlencode({"csrf": self._taker.csrf})
        _, location, _ = await self._send("POST", f"/learn/{self._taker.launch}/assessment/{self._taker.form}/start", form)
        self._attempt = ATTEMPT.search(location)[1]  # type: ignore[index]
        _, _, self._page = await self._send("GET", f"/learn/{self._taker.launch}/attempts/{self._attempt}", None)
        told.starts.append(time.perf_counter() - begun)

    def _fields(self) -> list[tuple[str, str]]:
        found = {name: pattern.search(self._page)[1].decode() for name, pattern in HIDDEN.items()}  # type: ignore[index]
        fields = [*found.items(), ("client_id", self._new_id()), ("active_ms", "20000")]
        choices = [choice.decode() for choice in CHOICE.findall(self._page)]
        match found["kind"]:
            case "single_choice" | "true_false" | "multiple_choice":
                fields.append(("value", self._chance.choice(choices)))
            case "ordering":
                fields += [(name.decode(), str(place)) for place, name in enumerate(LINE.findall(self._page), start=1)]
            case "matching":
                targets = [target.decode() for target in dict.fromkeys(TARGET.findall(self._page))]
                fields += [(name.decode(), target) for name, target in zip(MATCH.findall(self._page), targets, strict=False)]
            case _:
                fields.append(("value", str(self._chance.randint(1, 99))))
        return fields

    def _new_id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    async def _send(self, method: str, path: str, form: str | None) -> tuple[int, str, bytes]:
        """One exchange; on a new connection where the server has closed the old one meanwhile, as browsers do it."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                is_new = self._streams is None
                streams = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
                self._streams = None
                try:
                    answer = await self._exchange(*streams, method, path, form or "")
                except (OSError, asyncio.IncompleteReadError):
                    streams[1].close()
                    if is_new:
                        raise
                else:
                    self._streams = streams
                    return answer

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, form: str
    ) -> tuple[int, str, bytes]:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            f"Origin: http://127.0.0.1:{self._port}",
            "Accept: text/html",
            "X-Kaona-Script: 1",
            f"Cookie: {self._taker.cookie}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(form)}",
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + form).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await self._chunks(reader)
        return int(head[0].split()[1]), headers.get("location", ""), body

    @staticmethod
    async def _chunks(reader: asyncio.StreamReader) -> bytes:
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
