"""The LRS over HTTP: `/xapi` (a request without version is refused in the terms of 2.0.0) and `/xapi/1.0.3` (in those of 1.0.3).

One walk for every request: read it strictly, know the caller, let the resource answer in the version that the request names. A resource
reads with the connection that the caller was known by; it writes in a transaction of its own. No cookies are read, so cross-site
forgery has nothing to ride on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from flask import Blueprint, Response, g, request
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from kernel import strictjson
from kernel.clock import Clock, system_clock
from kernel.db import Database
from kernel.errors import KaonaError
from kernel.http import GuardedClient, HttpPolicy
from xapi import auth, query, timestamps
from xapi.activities import Activities, Agents
from xapi.answers import json_answer
from xapi.bearer import IdentityProvider, IdentityProviders
from xapi.documents import ACTIVITY, AGENT, STATE, Documents
from xapi.errors import MethodRefused, ResourceNotFound, StoreUnavailable, VersionRefused, body_of, status_of
from xapi.feed_http import Feeds
from xapi.intake import CredentialChanged
from xapi.oauth import TokenEndpoint
from xapi.request import XapiRequest, read_request, served_version
from xapi.resource import Resource
from xapi.statements import OnStored, Statements
from xapi.throttle import Throttle
from xapi.usage import Refusal, Usage
from xapi.vocabulary import CONSISTENT_THROUGH_HEADER, FEEDS_MOUNT, MOUNTS, TOKEN_PATH, VERSION_HEADER, VERSIONS

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]


def create_lrs(
    database: Database,
    *,
    clock: Clock = system_clock,
    on_stored: OnStored | None = None,
    key_pepper: bytes = b"",
    requests_per_minute: int = 0,
    redis_url: str = "",
    identity_providers: Sequence[IdentityProvider] = (),
    tenant_of: auth.TenantOf | None = None,
    http: GuardedClient | None = None,
    max_waiting: int = 4,
) -> Blueprint:
    """A blueprint that serves the LRS on this database.

    clock                read once for each request, and once more inside a writing transaction for `stored`
    on_stored            called in the transaction of statements that arrive here, but for those that are void from the start; what it
                         raises refuses them
    key_pepper           secret of this installation: keys the digests of credentials, seals tokens and `more` links
    requests_per_minute  of a credential without a bound of its own, in each process, or in all together with `redis_url`; 0 for no bound
    identity_providers   issuers whose tokens are taken; `tenant_of` finds the tenant of a code that they are set up for
    http                 fetches their keys; by default one that calls public addresses by HTTPS only
    max_waiting          consumers of feeds that may wait or be sent a stream at once in this process; each holds a thread of it
    """
    blueprint = Blueprint("xapi", __name__)
    usage = Usage(database, clock)
    providers = IdentityProviders(identity_providers, http or GuardedClient(HttpPolicy())) if identity_providers else None
    throttle = Throttle(requests_per_minute, redis_url)
    access = auth.Access(pepper=key_pepper, throttle=throttle, providers=providers, tenant_of=tenant_of, usage=usage)
    lrs = _Lrs(database, clock, access, usage)
    resources: dict[str, Resource] = {
        "/statements": Statements(database, clock, on_stored, key_pepper),
        "/activities": Activities(),
        "/activities/state": Documents(STATE, database, clock),
        "/activities/profile": Documents(ACTIVITY, database, clock),
        "/agents": Agents(),
        "/agents/profile": Documents(AGENT, database, clock),
    }
    views: dict[str, Callable[..., Response]] = {path: lrs.view_of(resource) for path, resource in resources.items()}
    views |= {"/about": lrs.about, "/<path:_resource>": lrs.unknown, "": lrs.unknown}
    for mount, version in MOUNTS.items():
        for path, view in views.items():
            name = f"{path}_{version}".replace("/", "_").replace(".", "_")
            blueprint.add_url_rule(mount + path, name, view, methods=_METHODS, defaults={"mount": mount}, provide_automatic_options=False)
    feeds = Feeds(database, clock, key_pepper, max_waiting=max_waiting)
    for path, answer in feeds.views.items():
        blueprint.add_url_rule(
            FEEDS_MOUNT + path, answer.__name__ + "_feed", lrs.view_beside(answer), methods=_METHODS, provide_automatic_options=False
        )
    token_endpoint = TokenEndpoint(access, database, clock, key_pepper, note=lrs.note)
    blueprint.add_url_rule(TOKEN_PATH, "token", token_endpoint.answer, methods=_METHODS, provide_automatic_options=False)
    blueprint.register_error_handler(KaonaError, lrs.refused)
    blueprint.register_error_handler(OperationalError, lambda _error: lrs.refused(StoreUnavailable()))
    blueprint.register_error_handler(PoolTimeout, lambda _error: lrs.refused(StoreUnavailable()))
    blueprint.after_request(lrs.complete)
    return blueprint


class _Lrs:
    """The walk that all requests take."""

    def __init__(self, database: Database, clock: Clock, access: auth.Access, usage: Usage) -> None:
        self._database, self._clock, self._access, self._usage = database, clock, access, usage

    def view_of(self, resource: Resource) -> Callable[[str], Response]:
        """The view of a resource: version, caller, method, answer."""

        def view(mount: str) -> Response:
            asked = self._read(mount)
            asked.version  # noqa: B018  refuses a request without one
            now = self._clock()
            presented = self._access.presented(asked.headers.get("authorization"), now=now)
            known = self._access.remembered(presented, now=now) if resource.proves and asked.method in ("PUT", "POST") else None
            written = self._write_for(known, resource, asked, now) if known is not None else None
            if written is not None:
                return written
            with self.reading() as db:
                caller = g.xapi_caller = self._access.caller(db, presented, now=now)
                if known is None:
                    self._access.admit(caller, now=now)
                if asked.method not in resource.methods:
                    raise MethodRefused(method=asked.method, allowed=resource.methods)
                is_read = asked.method in ("GET", "HEAD")
                lags = is_read and resource.may_lag and self._database.has_replica
                answer = resource.read(db, asked, caller, now) if is_read and not lags else None
            if lags:
                answer = self._database.look(lambda replica: resource.read(replica, asked, caller, now))
            elif answer is None:
                answer = resource.write(asked, caller, now)
            self._record_use(caller, now)
            return answer

        return view

    def _write_for(self, known: auth.Caller, resource: Resource, asked: XapiRequest, now: datetime) -> Response | None:
        """The answer to a write of a caller that was remembered; None when nothing proved it: then it is read, and all begun again."""
        self._access.admit(known, now=now)
        try:
            answer = resource.write(asked, known, now)
        except CredentialChanged:
            return None
        except KaonaError:
            if known.proof is None or not known.proof.stands:
                return None
            g.xapi_caller = known
            raise
        g.xapi_caller = known
        self._record_use(known, now)
        return answer

    def view_beside(self, answer: Callable[..., Response]) -> Callable[..., Response]:
        """The view of a resource of our own beside the standard's: no version is asked for, and it opens its connections itself."""

        def view(**names: str) -> Response:
            asked = self._read(FEEDS_MOUNT)
            now = self._clock()
            presented = self._access.presented(asked.headers.get("authorization"), now=now)
            with self._database.looking() as db:
                caller = g.xapi_caller = self._access.caller(db, presented, now=now)
            self._access.admit(caller, now=now)
            answered = answer(asked, caller, **names)
            self._record_use(caller, now)
            return answered

        return view

    def about(self, mount: str) -> Response:
        """What this LRS speaks. Needs neither credentials nor a version (xAPI 1.0.3, Communication 2.8)."""
        asked = self._read(mount)
        if asked.method not in ("GET", "HEAD"):
            raise MethodRefused(method=asked.method, allowed=("GET", "HEAD"))
        return json_answer(strictjson.dumps({"version": list(VERSIONS), "extensions": {}}))

    def unknown(self, mount: str, _resource: str = "") -> Response:
        """Any other address below the LRS; a request without version is refused as such first (Communication 3.3)."""
        g.xapi_mount = mount
        if served_version(request.headers.get(VERSION_HEADER)) is None:
            raise VersionRefused
        raise ResourceNotFound

    def refused(self, error: KaonaError) -> Response:
        """A refusal as JSON with its status."""
        answer = json_answer(strictjson.dumps(body_of(error)), status=status_of(error))
        for challenge in auth.challenges(error, request.headers.get("Authorization")):
            answer.headers.add("WWW-Authenticate", challenge)
        if isinstance(error, MethodRefused):  # RFC 9110, 15.5.6
            answer.headers["Allow"] = ", ".join(error.details.get("allowed", ("POST",)))
        if answer.status_code in (429, 503):
            answer.headers["Retry-After"] = str(error.details.get("seconds", 5))
        self.note(error, answer.status_code)
        return answer

    def complete(self, answer: Response) -> Response:
        """The headers that every answer carries."""
        asked: XapiRequest | None = g.get("xapi_asked")
        header = asked.headers.get(VERSION_HEADER.lower()) if asked else request.headers.get(VERSION_HEADER)
        answer.headers[VERSION_HEADER] = served_version(header) or MOUNTS[g.get("xapi_mount", "/xapi")]
        if CONSISTENT_THROUGH_HEADER not in answer.headers:
            answer.headers[CONSISTENT_THROUGH_HEADER] = timestamps.written(self._consistent_through())
        answer.headers.setdefault("Cache-Control", "no-store" if g.get("xapi_caller") else "no-cache")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if answer.status_code in (204, 304):
            del answer.headers["Content-Type"]  # there is no content
        if asked is not None and asked.method == "HEAD":
            if answer.is_streamed:  # its length is not known
                answer.response = iter(())
            elif request.method != "HEAD":  # said by a POST in the alternate syntax, whose answer is as long as its length says
                answer.set_data(b"")
        return answer

    def _read(self, mount: str) -> XapiRequest:
        g.xapi_mount = mount
        g.xapi_asked = read_request(request, mount)
        return g.xapi_asked  # type: ignore[no-any-return]  # just put there

    def _record_use(self, caller: auth.Caller, now: datetime) -> None:
        if auth.is_use_due(caller, now):
            with suppress(OperationalError), self._database.transaction() as db:  # a busy file must not fail a good request
                auth.record_use(db.connection(), caller, now=now)

    def note(self, error: KaonaError, status: int) -> None:
        """Notes a refusal for the administrators of its tenant. What is merely not there, or away, is none."""
        caller = g.get("xapi_caller")
        tenant_id, key = (caller.tenant_id, caller.key) if caller else (error.details.get("tenant_id"), error.details.get("key"))
        if tenant_id is None or status in (404, 503) or not error.details.get("is_first", True):
            return
        asked: XapiRequest | None = g.get("xapi_asked")
        resource = request.path.removeprefix(g.get("xapi_mount", "")).strip("/")
        refusal = Refusal(
            at=self._clock(),
            key=str(key),
            method=(asked.method if asked else request.method)[:10],
            resource=resource[:100],
            status=status,
            code=error.code,
            rule=getattr(error, "rule", None),
            place=(getattr(error, "place", None) or "")[:200] or None,
        )
        self._usage.note(tenant_id, refusal)

    def _consistent_through(self) -> datetime:
        now = self._clock()
        caller = g.get("xapi_caller")
        if caller is not None and self._database.engine.dialect.name == "postgresql":
            tenant_id = caller.tenant_id
            with suppress(OperationalError, PoolTimeout):
                return self._database.look(lambda db: query.consistent_through(db, tenant_id=tenant_id, now=now))
        return now - query.IN_FLIGHT_GRACE

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with, without the ORM's session: this path only needs rows."""
        with self._database.looking() as db:
            yield db
