"""Where a request comes from, as the rules of admission judge it: the client's address, and what its browser proves of its keys."""

from flask import request

import assessment.api as assessment
from lti_tool.web.current import this_app

CONFIG_HEADER = "X-SafeExamBrowser-ConfigKeyHash"
EXAM_HEADER = "X-SafeExamBrowser-RequestHash"
CONFIG_FIELD, EXAM_FIELD, PAGE_FIELD = "seb_config", "seb_exam", "seb_page"


def read_visit(*pages: str) -> assessment.Visit:
    """The visit of this request.

    The address is the one that the outermost trusted proxy saw (`KAONA_TRUSTED_PROXIES`); without proxies it is the connection's.
    A header's proof is about this request's own address, a script's about the page that it runs on; both as the person's browser has
    them, at our public address.

    pages    paths of the pages whose form this request may be; the script tells which one it was, with its query
    Source   Safe Exam Browser, developer documentation, "Config Key": headers of every request; JavaScript interface
    """
    origin = this_app().settings.public_url
    query = request.query_string.decode("ascii", "replace")
    own = f"{origin}{request.script_root}{request.path}{'?' if query else ''}{query}"
    proofs = [assessment.BrowserProof(own, request.headers.get(CONFIG_HEADER, ""), request.headers.get(EXAM_HEADER, ""))]
    by_script = request.form.get(CONFIG_FIELD, ""), request.form.get(EXAM_FIELD, "")
    if any(by_script):
        told = request.form.get(PAGE_FIELD, "")
        own_pages = {f"{origin}{page}" for page in pages}
        proofs += [assessment.BrowserProof(page, *by_script) for page in ({told} if told.partition("?")[0] in own_pages else own_pages)]
    return assessment.Visit(request.remote_addr or "", tuple(proofs))
