"""Another LRS, as a client meets it: tincan's client on our guarded transport.

tincan's own transport waits for ever and calls any address; here every call of `RemoteLRS` passes the guard. Statements do not go
through tincan's classes: they drop what they do not know and write numbers and times anew. Statements are sent as the text that is stored.
"""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from tincan import HTTPRequest, RemoteLRS
from tincan.lrs_response import LRSResponse

from kernel.errors import KaonaError
from kernel.http import MAX_BYTES, GuardedClient, HttpResponse, OutboundRefused
from xapi.errors import TargetUnusable
from xapi.vocabulary import OUTBOUND_SECONDS, V2, VERSION_HEADER


class OutsideLrs(RemoteLRS):  # type: ignore[misc]  # tincan has no types
    """A client of one LRS; it never calls another origin, whatever a `more` link says.

    http       the guard
    endpoint   address below which `statements` stands
    version    what the version header says
    key        user of Basic authentication; None sends no credentials
    """

    _props = (*RemoteLRS._props, "http", "terms")  # noqa: SLF001  tincan lets nothing be set that is not named here

    def __init__(self, http: GuardedClient, *, endpoint: str, version: str = V2, key: str | None = None, secret: str = "") -> None:
        auth = None if key is None else "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()
        super().__init__(endpoint=endpoint, auth=auth)
        self._http, self._terms = http, version

    def call(
        self,
        method: str,
        resource: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> HttpResponse:
        """One call.

        resource   below the endpoint, or a whole address of the same origin
        Raises     OutboundRefused, OutboundFailed
        """
        url = resource if "://" in resource else self.endpoint + resource
        if urlsplit(url)[:2] != urlsplit(self.endpoint)[:2]:
            raise OutboundRefused(reason="it is not the LRS that was asked")
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params)
        known = {VERSION_HEADER: self._terms, **({"Authorization": self.auth} if self.auth else {})}
        return self._http.request(
            method, url, headers={**known, **(headers or {})}, body=body, max_bytes=max_bytes, total_seconds=OUTBOUND_SECONDS
        )

    def versions(self) -> list[str]:
        """What the About resource names; tincan's `about` refuses every version above 1.0.3. Raises TargetUnusable besides.

        Source   xAPI 1.0.3, Communication 2.8
        """
        answer = self.call("GET", "about")
        try:
            versions = answer.json()["version"]
        except (KaonaError, KeyError, TypeError):
            versions = None
        if answer.status != 200 or not isinstance(versions, list) or not all(isinstance(one, str) for one in versions):  # noqa: PLR2004
            raise TargetUnusable(reason=f"status {answer.status}")
        return versions

    def _send_request(self, request: HTTPRequest) -> LRSResponse:
        """Carries out a request of tincan's own methods."""
        body = None if request.content is None else request.content.encode()
        params = {name: str(value) for name, value in request.query_params.items()}
        answer = self.call(request.method, request.resource, params=params, headers=request.headers, body=body)
        is_absent = answer.status == 404 and bool(request.ignore404)  # noqa: PLR2004
        return LRSResponse(success=200 <= answer.status < 300 or is_absent, request=request, data=_text(answer))  # noqa: PLR2004


def _text(answer: HttpResponse) -> Any:
    return answer.body.decode("utf-8", "replace")
