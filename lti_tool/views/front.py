"""The tool's bare address: a page for whoever types it, or finds it in a list of systems."""

from flask import Blueprint, render_template

from lti_tool.web.edge import without_transaction

blueprint = Blueprint("front", __name__)


@blueprint.get("/")
@without_transaction
def home() -> str:
    """Says that the tool is opened from a course."""
    return render_template("front/page.html")
