"""`/oauth/token`: a credential of the LRS changes its secret for a token that lives a quarter of an hour (client credentials).

Source   RFC 6749, sections 2.3.1, 4.4, 5.1 and 5.2; RFC 6750, section 4
"""

from collections.abc import Callable
from typing import Any, Final

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientCredentialsGrant, ClientMixin, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from kernel import strictjson
from kernel.clock import Clock
from kernel.db import Database
from xapi.auth import Access, Basic, Caller
from xapi.errors import CredentialsRefused, MethodRefused, TooLarge
from xapi.keys import secret_digest
from xapi.tokens import TOKEN_SECONDS, narrowed, sealed
from xapi.vocabulary import SCOPES, TOKEN_PATH

MAX_FORM_BYTES: Final = 16_384
_FORM = "application/x-www-form-urlencoded"


class TokenEndpoint(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """The token endpoint of one LRS, as a Flask view.

    note   told of each client that was refused, and of the status of the answer
    """

    def __init__(
        self, access: Access, database: Database, clock: Clock, pepper: bytes, *, note: Callable[[CredentialsRefused, int], None]
    ) -> None:
        super().__init__(scopes_supported=SCOPES)
        self._access, self._database, self._clock, self._pepper, self._note = access, database, clock, pepper, note
        self.register_grant(_ClientCredentials)
        self.register_token_generator("default", BearerTokenGenerator(self._new_token, expires_generator=TOKEN_SECONDS))

    def answer(self) -> Response:
        """The answer to a request for a token: the token, or an error in the terms of RFC 6749.

        Raises   MethodRefused, Throttled, TooLarge
        """
        if request.method != "POST":
            raise MethodRefused(method=request.method, allowed=("POST",))
        request.max_content_length = MAX_FORM_BYTES
        try:
            form = {name: values for name, values in request.form.lists() if values != [""]}  # RFC 6749, 3.2: without a value is omitted
        except RequestEntityTooLarge:
            raise TooLarge(bound=f"{MAX_FORM_BYTES} bytes") from None
        fault = _fault_of(form)
        if fault is not None:
            answer: Response = self.handle_error_response(None, fault)
        else:
            answer = self.create_token_response({name: values[0] for name, values in form.items()})
        return answer

    def create_oauth2_request(self, form: dict[str, str]) -> OAuth2Request:
        """What Authlib reads of the request. Whether the way is safe is decided where the LRS is mounted, as for Basic."""
        asked = _Asked("POST", "https://localhost" + TOKEN_PATH, headers=request.headers)
        asked.payload = _Form(form)
        return asked

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> Response:
        """Authlib's answer as Flask's."""
        return Response(strictjson.dumps(body), status=status, headers=headers)

    def query_client(self, client_id: str) -> "_Client":
        """The client of an id, known or not: both fail alike, when the secret is looked at."""
        return _Client(self, client_id)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Nothing of a token is stored."""

    def caller_of(self, key: str, secret: str) -> Caller | None:
        """The credential of a key, when the secret is right. Raises Throttled."""
        try:
            with self._database.engine.connect() as db:
                caller = self._access.caller(db, Basic(key, secret), now=self._clock())
            self._access.admit(caller, now=self._clock())
        except CredentialsRefused as error:
            self._note(error, 401)
            return None
        return caller

    def _new_token(self, client: "_Client", scope: str, **_: Any) -> str:
        digest = secret_digest(client.secret, self._pepper)
        return sealed(client.key, scope.split(), self._clock(), digest=digest, pepper=self._pepper)


class _ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class _Client(ClientMixin):  # type: ignore[misc]
    """A credential that asks for a token."""

    def __init__(self, endpoint: TokenEndpoint, key: str) -> None:
        self._endpoint, self.key = endpoint, key
        self.secret = ""
        self._scopes: tuple[str, ...] = ()

    def check_client_secret(self, client_secret: str) -> bool:
        caller = self._endpoint.caller_of(self.key, client_secret) if "\x00" not in self.key else None
        if caller is None:
            return False
        self.secret, self._scopes = client_secret, tuple(caller.scopes)
        return True

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002  the signature is Authlib's
        return method in _ClientCredentials.TOKEN_ENDPOINT_AUTH_METHODS

    def check_grant_type(self, grant_type: str) -> bool:
        return bool(grant_type == _ClientCredentials.GRANT_TYPE)

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes asked for, as far as the credential holds them; all that it holds when none is named; None when none is left."""
        asked = tuple(scope.split()) if scope else self._scopes
        return " ".join(narrowed(asked, self._scopes)) or None


class _Asked(OAuth2Request):  # type: ignore[misc]
    @property
    def form(self) -> dict[str, str]:
        return self.payload.data  # type: ignore[no-any-return]


class _Form(OAuth2Payload):  # type: ignore[misc]
    def __init__(self, form: dict[str, str]) -> None:
        self._form = form

    @property
    def data(self) -> dict[str, str]:
        return self._form


def _fault_of(form: dict[str, list[str]]) -> InvalidRequestError | None:
    """What is wrong with the form of a request for a token, if anything."""
    faults = (
        (f"The body must be {_FORM}.", request.mimetype != _FORM),
        ("A parameter is given twice.", any(len(values) > 1 for values in form.values())),
        ("The parameter grant_type is missing.", "grant_type" not in form),
        ("Secrets do not belong in the address.", bool(request.args)),
        ("The client names itself in two ways.", "client_secret" in form and "Authorization" in request.headers),
    )
    return next((InvalidRequestError(fault) for fault, is_so in faults if is_so), None)
