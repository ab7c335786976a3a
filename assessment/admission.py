"""Admission to a sitting: how often, when, with which code, from which network and in which browser. Pure.

A placement in a course has rules, else the form's own; an attempt keeps a copy of those that it began under. Times bound the
beginning alone: a sitting that has begun keeps all of its time. Network and browser are asked again at each answer.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, ValidationError

from assessment.documents import Shape, faults_of
from assessment.errors import AdmissionInvalid, Fault, NetworkRefused, SafeExamBrowserNeeded

MAX_ATTEMPTS: Final = 100
MAX_DAYS: Final = 3650
MAX_NETWORKS: Final = 100
MAX_KEYS: Final = 50
"""Keys of Safe Exam Browser: a Browser Exam Key differs from version to version of the browser."""


def _network(text: str) -> str:
    return str(ip_network(text.strip(), strict=False))


Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(lambda moment: moment.astimezone(UTC))]
Network = Annotated[str, AfterValidator(_network)]
"""An address or a network, `10.4.0.0/16`, `2001:db8::/32`."""
ExamKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", strip_whitespace=True, to_lower=True)]
"""32 bytes in hexadecimal digits."""


class SafeExamBrowser(Shape):
    """What the browser must prove to know; where both lists have keys, one of each."""

    config_keys: Annotated[list[ExamKey], Field(max_length=MAX_KEYS)] = Field(default_factory=list)
    exam_keys: Annotated[list[ExamKey], Field(max_length=MAX_KEYS)] = Field(default_factory=list)

    @property
    def is_asked(self) -> bool:
        """Whether any other browser is refused."""
        return bool(self.config_keys or self.exam_keys)


class AdmissionRules(Shape):
    """Who may begin; a member that is left out asks for nothing.

    attempts      sittings that may count at one link; None for any number
    days_between  days from the end of one sitting of the form to the next beginning
    code          `shared`: one for all; `one_time`: one for each beginning
    """

    attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = None
    days_between: Annotated[int, Field(ge=0, le=MAX_DAYS)] = 0
    opens_at: Moment | None = None
    closes_at: Moment | None = None
    code: Literal["none", "shared", "one_time"] = "none"
    networks: Annotated[list[Network], Field(max_length=MAX_NETWORKS)] = Field(default_factory=list)
    seb: SafeExamBrowser = SafeExamBrowser()

    @property
    def is_supervised(self) -> bool:
        """Whether it matters where or when a sitting took place: one from elsewhere is then no substitute."""
        return bool(self.opens_at or self.closes_at or self.code != "none" or self.networks or self.seb.is_asked)

    def within(self, opens_at: datetime | None, closes_at: datetime | None) -> "AdmissionRules":
        """The same with the platform's own times as well: the later opening and the earlier close hold."""
        return self.model_copy(
            update={
                "opens_at": max(filter(None, (self.opens_at, opens_at)), default=None),
                "closes_at": min(filter(None, (self.closes_at, closes_at)), default=None),
            }
        )


OPEN_TO_ALL: Final = AdmissionRules()


@dataclass(frozen=True, slots=True)
class BrowserProof:
    """What a browser says of its keys at one address: hashes in hexadecimal digits, empty where it says nothing.

    url   absolute, as the browser has it
    """

    url: str
    config_hash: str = ""
    exam_hash: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a request comes from: the client's address, and what its browser proves, by header and by script."""

    address: str
    proofs: tuple[BrowserProof, ...] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """A person's earlier sittings, without those after whose review another one was offered.

    n_used         that count at this link
    last_ended_at  end of the newest sitting of the form, wherever it was
    """

    n_used: int = 0
    last_ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a sitting cannot begin now.

    kind   `not_yet_open`, `closed`, `used_up` or `too_soon`
    at     when it opens, closed or may begin again; None where no time cures it
    """

    kind: Literal["not_yet_open", "closed", "used_up", "too_soon"]
    at: datetime | None = None


def read_rules(document: Any) -> AdmissionRules:
    """Rules from a JSON value. Raises AdmissionInvalid with every fault and its place."""
    try:
        rules = AdmissionRules.model_validate(document)
    except ValidationError as error:
        raise AdmissionInvalid(faults_of(error)) from None
    if rules.opens_at and rules.closes_at and rules.closes_at <= rules.opens_at:
        raise AdmissionInvalid([Fault("closes_at", "it closes before it opens")])
    return rules


def find_hindrance(rules: AdmissionRules, past: Past, now: datetime) -> Hindrance | None:
    """The first rule that keeps a sitting from beginning now, whatever code or browser there is; None when it may begin."""
    if rules.opens_at and now < rules.opens_at:
        return Hindrance("not_yet_open", rules.opens_at)
    if rules.closes_at and now >= rules.closes_at:
        return Hindrance("closed", rules.closes_at)
    if rules.attempts is not None and past.n_used >= rules.attempts:
        return Hindrance("used_up")
    again_at = past.last_ended_at + timedelta(days=rules.days_between) if past.last_ended_at else None
    if again_at and now < again_at:
        return Hindrance("too_soon", again_at)
    return None


def check_place(rules: AdmissionRules, visit: Visit | None, *, is_known: bool = False) -> None:
    """Refuses a request from a wrong network or browser.

    visit      None is nowhere, and fits no rule
    is_known   this browser has proved itself in this sitting: a page that it only reads need not be proved again
    Raises     NetworkRefused, SafeExamBrowserNeeded
    """
    if rules.networks and (visit is None or not is_within(visit.address, rules.networks)):
        raise NetworkRefused
    if rules.seb.is_asked and not is_known and (visit is None or not is_proved(rules.seb, visit.proofs)):
        raise SafeExamBrowserNeeded


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks; an IPv4 address in IPv6 clothes counts as itself."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ip_network(network) for network in networks)


def is_proved(asked: SafeExamBrowser, proofs: Sequence[BrowserProof]) -> bool:
    """Whether a browser knows the keys that are asked for."""
    config = [(proof.url, proof.config_hash) for proof in proofs]
    exam = [(proof.url, proof.exam_hash) for proof in proofs]
    return _knows_one(asked.config_keys, config) and _knows_one(asked.exam_keys, exam)


def exam_hash(url: str, key: str) -> str:
    """What Safe Exam Browser sends of a key at an address, in hexadecimal digits.

    Source   Safe Exam Browser, developer documentation, "Config Key": SHA-256 of the absolute URL without its fragment, in UTF-8,
             with the key's hexadecimal digits appended; the same for the Browser Exam Key, and for both in the script's interface
    """
    return hashlib.sha256((url.partition("#")[0] + key).encode()).hexdigest()


def _knows_one(keys: Sequence[str], told: Sequence[tuple[str, str]]) -> bool:
    if not keys:
        return True
    return any(
        hmac.compare_digest(exam_hash(url, key).encode(), said.strip().lower().encode("utf-8", "replace"))
        for url, said in told
        if said
        for key in keys
    )
