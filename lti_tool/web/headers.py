"""What every answer tells the browser: where its parts may come from, who may frame it, what it must not keep or guess."""

from functools import lru_cache

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
    origins = () if request.path.startswith(ADMIN) else g.get("frame_origins", ())
    headers = response.headers
    for name, value in _headers_of(origins, g.get("form_origin"), is_dev=this_app().settings.dev_mode):
        headers.add(name, value)
    if "Cache-Control" not in headers:
        headers.add("Cache-Control", "no-store")
    return response


@lru_cache(maxsize=1024)
def _headers_of(origins: tuple[str, ...], form_origin: str | None, *, is_dev: bool) -> tuple[tuple[str, str], ...]:
    """What stands in every answer that these origins may frame and whose form may go to that one."""
    policy = POLICY.format(ancestors=" ".join(("'self'", *origins)) if origins else "'none'")
    return (
        ("Content-Security-Policy", policy.replace(OWN_FORMS, f"{OWN_FORMS} {form_origin}") if form_origin else policy),
        ("Referrer-Policy", "strict-origin" if form_origin else "same-origin"),  # else the form would say that it comes from nowhere
        *ALWAYS,
        *(() if is_dev else (("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),)),
    )
