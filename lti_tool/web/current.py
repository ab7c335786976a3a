"""The application that answers the present request, with its own type."""

from flask import current_app

from lti_tool.web.edge import KaonaApp


def this_app() -> KaonaApp:
    """The application behind Flask's proxy."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  the proxy has no type
    assert isinstance(app, KaonaApp)
    return app
