"""From a frame into a tab of its own: for pages that no frame may hold.

The frame got a ticket and no cookie (`launch/tab.html`). The tab asks before it takes the session that the ticket is for: else
somebody could send a link by which another person works in the sender's name, and does not notice.
"""

from flask import Blueprint, Response, g, url_for
from markupsafe import Markup

from lti_tool.lti.sessions import find_ticket, spend_ticket
from lti_tool.web import cookies
from lti_tool.web.csrf import check_origin
from lti_tool.web.pages import in_language

blueprint = Blueprint("tab", __name__, url_prefix="/lti/tab")


@blueprint.get("/<ticket>")
def ask(ticket: str) -> Markup:
    """Whose session this tab would take, and one button. Looking spends nothing: browsers look ahead."""
    found = find_ticket(g.db, ticket, now=g.now)
    return in_language(found.locale, "launch/continue.html", ticket=ticket, found=found)


@blueprint.post("/<ticket>")
def go_on(ticket: str) -> Response:
    """Spends the ticket and gives this tab the session."""
    check_origin()
    launch, session_token = spend_ticket(g.db, ticket, now=g.now)
    response = Response(status=303, headers={"Location": url_for("admin.home", launch=launch)})
    cookies.set_token(response, cookies.SESSION, session_token)
    return response
