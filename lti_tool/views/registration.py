"""The page that an LMS opens to register: what both sides are called, what is asked for, one button."""

from urllib.parse import urlencode

from flask import Blueprint, Flask, g, request, url_for
from markupsafe import Markup

from kernel.http import GuardedClient
from lti_tool.lti.dynamic_registration import SCOPE_WORDS, SCOPES
from lti_tool.lti.keysets import KeySets
from lti_tool.lti.message import origin_of
from lti_tool.lti.products import product_of
from lti_tool.lti.registering import Offer, confirm, find_agency, make_offer, read_keys, read_request, seal, unseal
from lti_tool.lti.registrations import list_platforms
from lti_tool.web.current import this_app
from lti_tool.web.edge import MAX_FORM_BYTES, KaonaApp, without_transaction
from lti_tool.web.headers import allow_framing_by
from lti_tool.web.pages import LANGUAGES, in_language

HTTP = "guarded_http"
"""Under this name the application holds what calls platforms from our pages."""

blueprint = Blueprint("registration", __name__, url_prefix="/lti/register")


def register(app: Flask, *, http: GuardedClient | None = None) -> None:
    """Adds the registration page. http: the guarded client of the settings by default."""
    assert isinstance(app, KaonaApp)
    app.extensions[HTTP] = http or GuardedClient.from_settings(app.settings)
    app.register_blueprint(blueprint)


def outbound() -> GuardedClient:
    """What calls platforms from our pages."""
    http = this_app().extensions[HTTP]
    assert isinstance(http, GuardedClient)
    return http


@blueprint.get("")
@without_transaction
def offer() -> Markup:
    """The invite as a platform opens it. Without a usable invite nobody is called."""
    app = this_app()
    asked = read_request(request.args.to_dict(flat=False))
    with app.database.reading() as db:
        invite = find_agency(db, asked, is_open=app.settings.open_registration, now=g.now)
    claimed = origin_of(asked.openid_configuration)
    allow_framing_by([claimed] if claimed else [])  # a refusal, of somebody with an invite, must be seen in the platform's frame
    language = request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
    if not asked.openid_configuration:
        query = urlencode({"invite": asked.invite} if asked.invite else {"agency": asked.agency})
        address = f"{app.settings.public_url}{url_for('registration.offer')}?{query}"
        return in_language(language, "registration/by_hand.html", agency=invite.agency, address=address, now=g.now)
    made = make_offer(outbound(), asked, invite, framed_by=origin_of(request.referrer), is_dev=app.settings.dev_mode)
    return _offered(made, language)


@blueprint.post("/language")
@without_transaction
def language() -> Markup:
    """The same page in the other language."""
    wanted = request.form.get("language", "")
    return _offered(_sealed_offer(), wanted if wanted in LANGUAGES else LANGUAGES[0])


@blueprint.post("")
@without_transaction
def confirm_offer() -> Markup:
    """The administrator's confirmation. The sealed offer proves that the form is ours; no cookie is needed."""
    app, made = this_app(), _sealed_offer()
    allow_framing_by(made.frame_origins)
    address = request.form.get("lms_address", "").strip()
    confirmed = confirm(
        app.database,
        outbound(),
        made,
        with_names=request.form.get("names") != "no",
        lms_origin=address,
        public_url=app.settings.public_url,
        now=g.now,
    )
    fault = read_keys(app.database, KeySets(app.database, outbound(), app.clock), confirmed.platform.id)
    language = request.form.get("language", "")
    return in_language(
        language if language in LANGUAGES else LANGUAGES[0],
        "registration/done.html",
        platform=confirmed.platform,
        change="update" if confirmed.is_update else "new",
        product=made.configuration.product,
        origins=made.frame_origins,
        fault=fault,
        now=g.now,
    )


def _sealed_offer() -> Offer:
    request.max_content_length = MAX_FORM_BYTES
    return unseal(request.form.get("offer", ""), secret=this_app().secret, now=g.now)


def _offered(made: Offer, language: str) -> Markup:
    app = this_app()
    allow_framing_by(made.frame_origins)
    with app.database.reading() as db:
        known = list_platforms(db, tenant_id=made.tenant_id)
    is_known = any(platform.issuer == made.configuration.issuer for platform in known)
    return in_language(language, "registration/offer.html", **offer_values(made, seal(made, secret=app.secret, now=g.now)) | {
        "is_known": is_known,
        "change": "either" if is_known else "new",
        "public_url": app.settings.public_url,
        "now": g.now,
    })  # fmt: skip


def offer_values(made: Offer, sealed: str) -> dict[str, object]:
    """What the page shows of an offer."""
    configuration = made.configuration
    return {
        "offer": sealed,
        "agency": made.agency,
        "configuration": configuration,
        "product": product_of(configuration.family),
        "lms_origin": made.lms_origin,
        "is_pending": made.invite_id is None,
        "scopes": [SCOPE_WORDS[scope] for scope in SCOPES],
    }
