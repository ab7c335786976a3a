"""The page that carries a signed answer back to the platform: a form that a script of ours sends, or its person by a button."""

from flask import render_template

from lti_tool.lti.deep_linking import HandBack
from lti_tool.web.headers import allow_form_to


def hand_back_page(answer: HandBack) -> str:
    """The page, whose form alone of all our pages may go to the platform's one origin."""
    allow_form_to(answer.origin)
    return render_template("designer/hand_back.html", answer=answer)
