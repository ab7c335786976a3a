"""What every answer tells the browser: where its parts may come from, who may frame it, what it must not keep or guess."""

from flask import Flask, Response, g, request

from lti_tool.web.current import this_app

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
)
ADMIN = "/admin/"


def register(app: Flask) -> None:
    """Gives every answer its headers."""
    app.after_request(protect)


def allow_framing_by(origins: tuple[str, ...] | list[str]) -> None:
    """Lets the platform of this request frame the answer, be it a page or a refusal."""
    g.frame_origins = tuple(origins)


def protect(response: Response) -> Response:
    """Adds the headers to one answer."""
    app = this_app()
    origins = () if request.path.startswith(ADMIN) else g.get("frame_origins", ())
    ancestors = " ".join(("'self'", *origins)) if origins else "'none'"
    headers = response.headers
    headers["Content-Security-Policy"] = POLICY.format(ancestors=ancestors)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Kaona"] = "1"  # tells our script an answer of ours from one of a proxy's
    headers["Referrer-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if not app.settings.dev_mode:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if "Cache-Control" not in headers:
        headers["Cache-Control"] = "no-store"
    return response
