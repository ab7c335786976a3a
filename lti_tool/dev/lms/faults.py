"""How the demo LMS misbehaves when a test asks it to: every fault has a name and does what its name says."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from kernel.strictjson import dumps
from lti_tool.dev.lms import names
from lti_tool.dev.lms.keys import KeyRing, Signer, SigningKey, compact, hmac_signature, stranger, weakling

HUGE_KEY_SET_BYTES: Final = 10 * 1024 * 1024
METADATA_ADDRESS: Final = "http://169.254.169.254/latest/meta-data/"
"""Where a key set request must never be led: the address of cloud machines' own secrets."""


SCRIPTS: Final = ("deep_linking_return", "registration", "ags", "line_items", "scores", "results", "token", "members")
"""The switches that hold a script."""


@dataclass(slots=True)
class ServiceFault:
    """What one service call is answered with in place of, or after, the right answer."""

    status: int = 500
    retry_after: str = ""
    """Value of a Retry-After header; empty sends none."""
    hold_seconds: float = 0
    """How long the answer is withheld: a time-out for a caller who waits less."""
    is_stored: bool = False
    """True: the call takes effect and only its answer is lost."""
    body: str = "The demo LMS was asked to fail."


@dataclass(slots=True)
class Faults:
    """Every switch; the default misbehaves in nothing."""

    id_token: str = ""
    """A name in ID_TOKEN_FAULTS, applied to every token until reset."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Laid over the claims of every token; a null takes the claim away."""
    header: dict[str, Any] = field(default_factory=dict)
    """Laid over the header of every token; a null takes the member away."""
    key_set: str = ""
    """A name in KEY_SET_FAULTS."""
    key_set_delay_seconds: float = 0
    key_set_redirect: str = METADATA_ADDRESS
    auth_error: str = ""
    """Error that answers every authentication request, such as login_required."""
    target_link_uri: str = ""
    """Sent at login initiation in place of the link's."""
    deep_linking_settings: dict[str, Any] = field(default_factory=dict)
    """Laid over the settings of every deep linking request; a null takes the member away."""
    deep_linking_return: list[ServiceFault] = field(default_factory=list)
    """Script: each return of content items takes the first entry; after the last all is well. So for all scripts."""
    configuration: dict[str, Any] = field(default_factory=dict)
    """Laid over the configuration document; a null takes the member away."""
    configuration_kind: str = ""
    """A name in CONFIGURATION_FAULTS."""
    configuration_delay_seconds: float = 0
    registration: list[ServiceFault] = field(default_factory=list)
    ags: list[ServiceFault] = field(default_factory=list)
    """For every call of the grade services; the three below for some of them, when this one is empty."""
    line_items: list[ServiceFault] = field(default_factory=list)
    scores: list[ServiceFault] = field(default_factory=list)
    results: list[ServiceFault] = field(default_factory=list)
    token: list[ServiceFault] = field(default_factory=list)
    members: list[ServiceFault] = field(default_factory=list)
    members_next_is_same_page: bool = False
    """The members list names itself as its next page."""
    members_next: str = ""
    """Address that every page of the members list names as the next one, such as a foreign host's."""
    more_members: list[Any] = field(default_factory=list)
    """Put at the end of every members list as they are: members without user_id, things that are no members."""
    tool_key_set_is_blocked: bool = False
    """The LMS's own outbound filter keeps it from the tool's key set, as Moodle's does on private addresses by default."""
    clock_offset_seconds: float = 0
    """How far the LMS's clock is ahead of the machine's; negative is behind."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Faults":
        """Switches from a control document: an integer in a script stands for its status.

        Raises   ValueError for a name or switch that does not exist
        """
        unknown = set(document) - {part.name for part in fields(cls)}
        if unknown:
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        values = dict(document)
        for script in SCRIPTS:
            values[script] = [_service_fault(entry) for entry in values.get(script, [])]
        faults = cls(**values)
        if faults.id_token and faults.id_token not in ID_TOKEN_FAULTS:
            raise ValueError(f"no such id_token fault: {faults.id_token}")
        if faults.key_set and faults.key_set not in KEY_SET_FAULTS:
            raise ValueError(f"no such key set fault: {faults.key_set}")
        if faults.configuration_kind and faults.configuration_kind not in CONFIGURATION_FAULTS:
            raise ValueError(f"no such configuration fault: {faults.configuration_kind}")
        return faults

    def to_json(self) -> dict[str, Any]:
        """The switches as a control document."""
        return asdict(self)


def _service_fault(entry: Any) -> ServiceFault:
    if isinstance(entry, ServiceFault):
        return entry
    if isinstance(entry, int):
        return ServiceFault(status=entry)
    if not isinstance(entry, dict):
        raise ValueError("a script holds statuses and objects")  # noqa: TRY004  one class of refusal for the whole document
    try:
        return ServiceFault(**entry)
    except TypeError:
        raise ValueError(f"no such member in a script entry: {', '.join(sorted(entry))}") from None


@dataclass(slots=True)
class TokenDraft:
    """An id_token before it is signed, open to every change."""

    header: Any
    payload: Any
    sign: Signer
    key: SigningKey
    finish: Callable[[str], str] = str
    """Last change to the compact text."""

    def text(self) -> str:
        """The compact token."""
        return self.finish(compact(self.header, self.payload, self.sign))


def _change_claims(changes: Mapping[str, Any]) -> Callable[[TokenDraft], None]:
    return lambda draft: draft.payload.update(changes)


def _drop_claim(name: str) -> Callable[[TokenDraft], None]:
    return lambda draft: draft.payload.pop(name, None)


def _shift(seconds: int, *claims: str) -> Callable[[TokenDraft], None]:
    return lambda draft: draft.payload.update({name: draft.payload[name] + seconds for name in claims})


def _finish(change: Callable[[str], str]) -> Callable[[TokenDraft], None]:
    def apply(draft: TokenDraft) -> None:
        draft.finish = change

    return apply


def _wrong_signature(draft: TokenDraft) -> None:
    draft.sign = stranger().sign


def _other_kid(draft: TokenDraft) -> None:
    draft.header["kid"] = "no-such-key"
    draft.sign = stranger().sign


def _weak_key(draft: TokenDraft) -> None:
    draft.header["kid"] = weakling().kid
    draft.sign = weakling().sign


def _alg_none(draft: TokenDraft) -> None:
    draft.header["alg"] = "none"
    draft.sign = lambda _: b""


def _hs256_with_public_key(draft: TokenDraft) -> None:
    draft.header["alg"] = "HS256"
    draft.sign = hmac_signature(draft.key.public_pem())


def _two_audiences(azp: str | None) -> Callable[[TokenDraft], None]:
    def apply(draft: TokenDraft) -> None:
        ours = draft.payload["aud"]
        draft.payload["aud"] = ["another-tool", ours]
        if azp is not None:
            draft.payload["azp"] = azp or ours

    return apply


def _without_alg(draft: TokenDraft) -> None:
    del draft.header["alg"]


def _alg_array(draft: TokenDraft) -> None:
    draft.header["alg"] = ["RS256"]


def _header_not_an_object(draft: TokenDraft) -> None:
    draft.header = ["RS256"]


def _body_not_an_object(draft: TokenDraft) -> None:
    draft.payload = ["not", "claims"]


def _invalid_utf8(draft: TokenDraft) -> None:
    draft.payload = b'{"iss":"\xff\xfe"}'


ID_TOKEN_FAULTS: Final[Mapping[str, Callable[[TokenDraft], None]]] = {
    "wrong_signature": _wrong_signature,
    "other_kid": _other_kid,
    "weak_key": _weak_key,
    "alg_none": _alg_none,
    "alg_missing": _without_alg,
    "alg_array": _alg_array,
    "hs256_with_public_key": _hs256_with_public_key,
    "expired": _shift(-360, "iat", "exp"),
    "slightly_expired": _shift(-90, "iat", "exp"),
    "old_iat": lambda draft: draft.payload.update(iat=draft.payload["iat"] - 86_400, exp=draft.payload["exp"] + 86_400),
    "future_iat": _shift(300, "iat", "exp"),
    "slightly_future_iat": _shift(45, "iat", "exp"),
    "missing_exp": _drop_claim("exp"),
    "missing_iat": _drop_claim("iat"),
    "missing_nonce": _drop_claim("nonce"),
    "wrong_nonce": _change_claims({"nonce": "not-the-nonce-of-this-login"}),
    "wrong_aud": _change_claims({"aud": "another-tool"}),
    "wrong_azp": _change_claims({"azp": "another-tool"}),
    "two_aud_with_azp": _two_audiences(""),
    "two_aud_without_azp": _two_audiences(None),
    "two_aud_wrong_azp": _two_audiences("another-tool"),
    "wrong_iss": _change_claims({"iss": "https://another-lms.example"}),
    "wrong_deployment": _change_claims({names.DEPLOYMENT_ID: "<b>404</b>"}),
    "missing_sub": _drop_claim("sub"),
    "integer_sub": _change_claims({"sub": 5}),
    "long_sub": _change_claims({"sub": "s" * 300}),
    "roles_string": _change_claims({names.ROLES: names.INSTRUCTOR}),
    "evil_roles": _change_claims({names.ROLES: ["http://purl.imsglobal.org/vocab/lis/v2evil/membership#Instructor"]}),
    "foreign_target_link_uri": _change_claims({names.TARGET_LINK_URI: "https://phishing.example/open"}),
    "two_parts": _finish(lambda token: token.rsplit(".", 1)[0]),
    "four_parts": _finish(lambda token: token + ".e30"),
    "five_parts": _finish(lambda token: token + ".e30.e30"),
    "broken_base64": _finish(lambda token: token.replace(".", ".%%%", 1)),
    "header_not_an_object": _header_not_an_object,
    "body_not_an_object": _body_not_an_object,
    "invalid_utf8": _invalid_utf8,
}
"""What may be wrong with a token, by name."""


def _with_each_key(change: Mapping[str, Any]) -> Callable[[KeyRing], dict[str, Any]]:
    return lambda ring: {"keys": [{**key.jwk(), **change} for key in ring.keys]}


KEY_SET_FAULTS: Final[Mapping[str, Callable[[KeyRing], dict[str, Any] | bytes]]] = {
    "private_key": lambda ring: {"keys": [key.jwk(with_private=True) for key in ring.keys]},
    "for_encryption": _with_each_key({"use": "enc"}),
    "labelled_hs256": _with_each_key({"alg": "HS256"}),
    "symmetric": lambda ring: {
        "keys": [{"kty": "oct", "kid": ring.current.kid, "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMy"}]
    },
    "weak": lambda ring: {"keys": [*ring.jwks()["keys"], weakling().jwk()]},
    "empty": lambda _: {"keys": []},
    "huge": lambda ring: {**ring.jwks(), "padding": "x" * HUGE_KEY_SET_BYTES},
    "html": lambda _: b"<!doctype html><title>Site maintenance</title><p>secret-marker-in-the-body</p>",
    "broken_json": lambda _: b'{"keys": [',
    "redirect": lambda _: b"",
    "error": lambda _: b"",
}
"""What may be wrong with the key set, by name; `redirect` and `error` are in the answer's status."""


CONFIGURATION_FAULTS: Final[Mapping[str, Callable[[dict[str, Any]], dict[str, Any] | bytes]]] = {
    "huge": lambda document: {**document, "padding": "x" * HUGE_KEY_SET_BYTES},
    "html": lambda _: b"<!doctype html><title>Site maintenance</title><p>secret-marker-in-the-body</p>",
    "broken_json": lambda _: b'{"issuer": "',
    "not_an_object": lambda document: dumps([document]),
    "redirect": lambda _: b"",
    "error": lambda _: b"",
}
"""What may be wrong with the configuration document, by name; `redirect` (to `key_set_redirect`) and `error` are in its status."""


def configuration(document: dict[str, Any], faults: Faults) -> dict[str, Any] | bytes:
    """The configuration document as it is served under these faults."""
    changed = _laid_over(document, faults.configuration)
    return CONFIGURATION_FAULTS[faults.configuration_kind](changed) if faults.configuration_kind else changed


def _laid_over(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changes}.items() if value is not None or name not in changes}


def draft_token(ring: KeyRing, claims: Mapping[str, Any], faults: Faults) -> TokenDraft:
    """The token that these claims give under these faults."""
    key = ring.current
    header = _laid_over({"typ": "JWT", "alg": "RS256", "kid": key.kid}, faults.header)
    payload = dict(claims)
    if names.DEEP_LINKING_SETTINGS in payload:
        payload[names.DEEP_LINKING_SETTINGS] = _laid_over(payload[names.DEEP_LINKING_SETTINGS], faults.deep_linking_settings)
    draft = TokenDraft(header=header, payload=_laid_over(payload, faults.claims), sign=key.sign, key=key)
    if faults.id_token:
        ID_TOKEN_FAULTS[faults.id_token](draft)
    return draft


def key_set(ring: KeyRing, faults: Faults) -> dict[str, Any] | bytes:
    """The key set as it is served under these faults: a document, or bytes that are none."""
    if faults.key_set:
        return KEY_SET_FAULTS[faults.key_set](ring)
    if faults.id_token == "weak_key":  # noqa: S105  the name of a fault
        return KEY_SET_FAULTS["weak"](ring)
    return ring.jwks()
