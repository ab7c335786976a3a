"""The application: settings in, a Flask app out. Rooms meet here and nowhere else."""

from collections.abc import Sequence
from typing import Any

from flask import Flask, g
from flask_babel import Babel
from sqlalchemy.orm import Session
from werkzeug.middleware.proxy_fix import ProxyFix

import xapi.api as xapi
from kernel.clock import Clock, system_clock
from kernel.db import Database
from kernel.http import GuardedClient
from kernel.per_minute import PerMinute
from lti_tool import errors, health, logs, openapi
from lti_tool.keys import lrs_pepper
from lti_tool.lti.tenants import find_tenant_id
from lti_tool.settings import Settings, read_settings
from lti_tool.views import (
    admin,
    admission,
    designer,
    executive,
    front,
    integrity,
    item_analysis,
    learner,
    leave,
    lti,
    platforms,
    privacy,
    records,
    registration,
    resource,
    review,
    sitting,
    tab,
    teacher,
)
from lti_tool.web import csrf, fonts, headers, pages
from lti_tool.web.edge import KaonaApp, name_request
from lti_tool.web.path_sessions import PathSessions
from lti_tool.workflows import enrolled, statements_arrived

MAX_CONTENT_LENGTH = 6 * 1024 * 1024
"""Bytes of the largest body of all addresses (the LRS takes batches of 5 MB); launches and forms have a bound of their own."""


def create_app(settings: Settings | None = None, *, clock: Clock = system_clock, database: Database | None = None) -> KaonaApp:
    """The whole tool as a WSGI application.

    settings   read from the environment by default
    clock      gives the present moment; tests put a still one in
    database   opened from the settings by default
    """
    settings = settings or read_settings()
    logs.configure(settings.log_level, name_request)
    app = KaonaApp("lti_tool", template_folder="../templates", static_folder="static")
    app.settings = settings
    app.clock = clock
    app.secret = settings.secret_key
    app.requests = PerMinute()
    app.database = database or Database(settings.resolved_database_url, pool_size=settings.pool_size, replica_url=settings.replica_url)
    app.config.update(MAX_CONTENT_LENGTH=MAX_CONTENT_LENGTH, MAX_FORM_MEMORY_SIZE=MAX_CONTENT_LENGTH, SEND_FILE_MAX_AGE_DEFAULT=86_400)
    app.wsgi_app = PathSessions(app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies)  # type: ignore[method-assign]
    _add_languages(app)
    pages.register(app)
    fonts.register(app)
    headers.register(app)
    csrf.register(app)
    errors.register(app)
    health.register(app)
    openapi.register(app)
    lti.register(app, on_enrolled=lambda db, who: enrolled.place_in_scope(db, who, now=app.clock()))
    for page in (
        front, learner, sitting, resource, teacher, review, integrity, designer, admission, executive, admin, platforms, records,
        privacy, leave, tab, item_analysis,
    ):  # fmt: skip
        app.register_blueprint(page.blueprint)
    registration.register(app)
    app.register_blueprint(_lrs(app))
    app.before_request(_begin_with_nobody)
    return app


def _lrs(app: KaonaApp) -> Any:
    def on_stored(db: Session, tenant_id: int, statements: Sequence[dict[str, Any]]) -> None:
        statements_arrived.take_in(db, tenant_id=tenant_id, statements=statements, now=app.clock())

    return xapi.create_lrs(
        app.database,
        clock=app.clock,
        on_stored=on_stored,
        key_pepper=lrs_pepper(app.secret),
        requests_per_minute=app.settings.lrs_requests_per_minute,
        redis_url=app.settings.redis_url,
        identity_providers=app.settings.lrs_identity_providers,
        tenant_of=find_tenant_id,
        http=GuardedClient.from_settings(app.settings),
        max_waiting=min(app.settings.lrs_max_waiting, app.settings.web_threads - 1),
    )


def _add_languages(app: Flask) -> None:
    assert isinstance(app, KaonaApp)
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(pages.compile_translations(app.settings.data_dir))
    app.config["BABEL_DEFAULT_LOCALE"] = "th"
    app.config["BABEL_DEFAULT_TIMEZONE"] = "Asia/Bangkok"
    Babel(app, locale_selector=pages.page_language)


def _begin_with_nobody() -> None:
    g.principal = None
