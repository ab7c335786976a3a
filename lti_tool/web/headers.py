"""What every answer tells the browser: where its parts may come from, who may frame it, what it must not keep or guess."""

from flask import Flask, Response, g, request

from lti_tool.web.current import this_app

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
)
OWN_FORMS = "form-action 'self'"
ADMIN = "/admin/"
ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Kaona", "1"),  # tells our script an answer of ours from one of a proxy's
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)


def register(app: Flask) -> None:
    """Gives every answer its headers."""
    app.after_request(protect)


def allow_framing_by(origins: tuple[str, ...] | list[str]) -> None:
    """Lets the platform of this request frame the answer, be it a page or a refusal."""
    g.frame_origins = tuple(origins)


def allow_form_to(origin: str) -> None:
    """Lets the form of this one answer go to a platform, which then sees from where it comes.

    origin   as `origin_of` gives it: no character but those of a host name
    """
    g.form_origin = origin


def protect(response: Response) -> Response:
    """Adds the headers to one answer."""
    app = this_app()
    origins = () if request.path.startswith(ADMIN) else g.get("frame_origins", ())
    ancestors = " ".join(("'self'", *origins)) if origins else "'none'"
    headers = response.headers
    form_origin = g.get("form_origin")
    policy = POLICY.format(ancestors=ancestors)
    headers.add("Content-Security-Policy", policy.replace(OWN_FORMS, f"{OWN_FORMS} {form_origin}") if form_origin else policy)
    headers.add("Referrer-Policy", "strict-origin" if form_origin else "same-origin")  # else the form would say that it comes from nowhere
    for name, value in ALWAYS:
        headers.add(name, value)
    if not app.settings.dev_mode:
        headers.add("Strict-Transport-Security", "max-age=31536000")
    if "Cache-Control" not in headers:
        headers.add("Cache-Control", "no-store")
    return response
