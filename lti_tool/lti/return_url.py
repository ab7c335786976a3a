"""The way back to the platform, with what the platform may show its person or write into its log.

Source   LTI 1.3 core, section 5.4.4 (launch_presentation.return_url)
"""

from urllib.parse import urlencode, urlsplit, urlunsplit

MAX_CHARACTERS = 1000


def with_messages(
    return_url: str, *, message: str | None = None, error: str | None = None, log: str | None = None, error_log: str | None = None
) -> str:
    """A return address with messages added to the parameters that it has.

    return_url      of a launch, so on an origin of its platform
    message, error  plain sentences for the person; log, error_log: for the platform's log. No token, name or answer
    """
    told = {"lti_msg": message, "lti_errormsg": error, "lti_log": log, "lti_errorlog": error_log}
    added = urlencode({name: text[:MAX_CHARACTERS] for name, text in told.items() if text})
    parts = urlsplit(return_url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, added)))))
