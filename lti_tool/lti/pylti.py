"""PyLTI1p3 as we use it: it reads messages and speaks the services' formats; every check of identity is done before it is asked.

Nothing of its cookies, sessions, HTTP or key handling is reachable from here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

from pylti1p3.deep_link import DeepLink
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.deployment import Deployment as LibraryDeployment
from pylti1p3.exception import LtiException
from pylti1p3.message_launch import MessageLaunch, TJwtData
from pylti1p3.registration import Registration as LibraryRegistration
from pylti1p3.tool_config.abstract import ToolConfAbstract
from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_tool.lti.errors import MessageInvalid
from lti_tool.lti.storage import Platform, list_platforms_of
from lti_tool.models import Deployment


class _OutOfReach:
    """Stands where the library would keep a request, a cookie, a session or a connection: using it is a fault of ours."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"the library asked for {name}")


_OUT_OF_REACH: Any = _OutOfReach()


def library_registration(platform: Platform) -> LibraryRegistration:
    """One platform in the library's form, without keys: signing and checking are ours."""
    registration = LibraryRegistration()
    registration.set_issuer(platform.issuer).set_client_id(platform.client_id)
    registration.set_auth_login_url(platform.auth_url).set_auth_token_url(platform.token_url).set_key_set_url(platform.jwks_url)
    if platform.token_audience:
        registration.set_auth_audience(platform.token_audience)
    return registration


class ToolConf(ToolConfAbstract[Any]):
    """The registrations of the database, any number of client ids an issuer.

    The library keeps that relation in an attribute of the class, shared by all configurations; here it is a fixed answer.
    """

    def __init__(self, db: Session) -> None:
        self._db = db

    def check_iss_has_one_client(self, iss: str) -> bool:  # noqa: ARG002  the library's signature
        """Never: a platform may be registered again."""
        return False

    def check_iss_has_many_clients(self, iss: str) -> bool:  # noqa: ARG002  the library's signature
        """Always."""
        return True

    def find_registration_by_issuer(self, iss: str, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002  the library's signature
        """Not a way in: an issuer alone names no registration."""
        raise AssertionError("ask by issuer and client id")

    def find_registration_by_params(self, iss: str, client_id: str, *args: Any, **kwargs: Any) -> LibraryRegistration | None:  # type: ignore[override]
        """The registration of this issuer and client id; None when there is none."""
        del args, kwargs
        platforms = list_platforms_of(self._db, iss, client_id)
        return library_registration(platforms[0]) if platforms else None

    def find_deployment(self, iss: str, deployment_id: str) -> NoReturn:  # noqa: ARG002  the library's signature
        """Not a way in: deployments belong to a client id."""
        raise AssertionError("ask by issuer, client id and deployment id")

    def find_deployment_by_params(
        self, iss: str, deployment_id: str, client_id: str, *args: Any, **kwargs: Any
    ) -> LibraryDeployment | None:
        """The deployment, when it is registered."""
        del args, kwargs
        platforms = list_platforms_of(self._db, iss, client_id)
        query = select(Deployment.id).where(Deployment.deployment_id == deployment_id)
        if not platforms or self._db.scalar(query.where(Deployment.registration_id == platforms[0].id)) is None:
            return None
        return LibraryDeployment().set_deployment_id(deployment_id)


class VerifiedMessage(MessageLaunch[Any, Any, Any, Any]):
    """The library's view of a token whose signature and claims we have checked already."""

    def __init__(self, platform: Platform, claims: Mapping[str, Any]) -> None:
        super().__init__(_OUT_OF_REACH, _OUT_OF_REACH, _OUT_OF_REACH, _OUT_OF_REACH, requests_session=_OUT_OF_REACH)
        self.set_auto_validation(False).set_jwt(cast(TJwtData, {"body": claims})).set_restored()
        self._registration = library_registration(platform)

    def _get_request_param(self, key: str) -> NoReturn:
        raise AssertionError(f"the library asked for the parameter {key}")

    def check_message(self) -> None:
        """The library's own judgement of the message. Raises MessageInvalid with the library's words."""
        try:
            self.validate_message()
        except (LtiException, AttributeError, TypeError, KeyError) as error:
            raise MessageInvalid(reason=str(error)) from None


class ContentItem(DeepLinkResource):
    """The library's content item with what it leaves out: a description, and the frame or window that the item wants."""

    text: str = ""
    presentation: Mapping[str, Any] = {}
    """`iframe` or `window` to its members; empty where the platform takes neither."""

    def to_dict(self) -> dict[str, object]:
        """The item as it stands in the response."""
        item = super().to_dict()
        return item | ({"text": self.text} if self.text else {}) | dict(self.presentation)


def response_claims(platform: Platform, deployment_id: str, items: Sequence[ContentItem]) -> dict[str, Any]:
    """The library's claims of a response that returns these items; times, audience and data are the caller's to set."""
    return dict(DeepLink(library_registration(platform), deployment_id, {}).get_message_jwt(items))
