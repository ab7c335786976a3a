"""What every page needs: its language, its texts, its dates, the addresses of its files.

Texts are gettext messages (English in the source, Thai in `translations/`) or language maps from the rooms. Thai is the default.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask, g, redirect, render_template, request
from flask_babel import force_locale
from jinja2 import StrictUndefined
from markupsafe import Markup
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from kernel.ids import derived_uuid, new_uuid
from kernel.langmap import text_in
from lti_tool.models import Launch
from lti_tool.web.current import this_app
from lti_tool.web.path_sessions import is_in_path
from lti_tool.web.principal import Principal
from lti_tool.web.thai_dates import Form, date_text

LANGUAGES = ("th", "en")
MAX_BACK_CHARACTERS = 2000
"""Longest address that a change of language leads back to."""
MAX_SENTENCES = 4096
"""Sentences kept in one process with what stood in their places."""
TRANSLATIONS = Path(__file__).resolve().parent.parent / "translations"


def register(app: Flask) -> None:
    """Gives the templates their filters and values; an unknown name in a template is an error, never an empty place."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        text=text_filter,
        date=date_filter,
        decimal=decimal_filter,
        points=points_filter,
        percent=percent_filter,
        short_uuid=lambda value: str(value)[:4],
        browser_name=lambda person: derived_uuid("browser", str(person)),  # by which scripts tell one person from another
    )
    folder = app.config["BABEL_TRANSLATION_DIRECTORIES"]
    catalogs = {language: Translations.load(folder, [language]) for language in LANGUAGES}  # English stands in the source and needs none

    @cache
    def translated(language: str, message: str) -> Markup:
        return Markup(catalogs[language].gettext(message))  # noqa: S704  our own words

    @lru_cache(maxsize=MAX_SENTENCES, typed=True)  # marked-up text and plain text that look alike are not the same
    def said(language: str, message: str, **places: Any) -> Markup:
        return translated(language, message) % places

    def gettext(message: str, **places: Any) -> Markup:
        return said(text_language(), message, **places)

    def ngettext(singular: str, plural: str, n: int) -> str:
        return catalogs[text_language()].ngettext(singular, plural, n)

    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]  # of its i18n extension
    app.jinja_env.globals.update(gettext=gettext, _=gettext)  # which remembers
    app.jinja_env.globals.update(static_url=static_url, in_language=in_language, new_client_id=lambda: str(new_uuid()))
    app.context_processor(_page_values)


def page_language() -> str:
    """`th` or `en`: the launch's language; Thai before a launch is known."""
    return _language_of(g.get("principal"))


def text_language() -> str:
    """Language of the text being written: the page's, or that of the part within `in_language`."""
    known = g._get_current_object()  # noqa: SLF001  every text of a page asks: one look through the proxy
    return str(known.get("text_language") or _language_of(known.get("principal")))


def _language_of(principal: Principal | None) -> str:
    return principal.locale if principal is not None and principal.locale in LANGUAGES else LANGUAGES[0]


def in_language(language: str, template: str, **values: Any) -> Markup:
    """A part of a page rendered in one language, whatever the page's own is."""
    outer, g.text_language = g.get("text_language"), language
    try:
        with force_locale(language):
            return Markup(render_template(template, **values | {"lang": language}))  # noqa: S704  a rendered template is escaped
    finally:
        g.text_language = outer


def text_filter(texts: Mapping[str, str], language: str | None = None) -> Markup:
    """A language map in the page's language; text that exists in another language only says so to screen readers."""
    wanted = language or text_language()
    text = text_in(wanted, texts)
    found = next((code for code in texts if texts[code] == text), wanted)
    if found == wanted or texts.get(wanted):
        return Markup.escape(text)
    return Markup('<span lang="{}">{}</span>').format(found, text)


def date_filter(when: date | datetime | None, form: Form = "short") -> Markup:
    """A day or moment in words, with its machine form beside it; a dash for none."""
    if when is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(), date_text(when, text_language(), form))


def decimal_filter(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """A number with a fixed count of decimals and a real minus sign; a dash for none."""
    if value is None:
        return "–"
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "−")


def points_filter(value: float) -> str:
    """Points of a score, two decimals at the most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent_filter(share: float | None) -> str:
    """A share of 1 as whole percent; a dash for none. Never 0 or 100 unless it is exactly so."""
    if share is None:
        return "–"
    rounded = f"{share * 100:.0f}%"
    if share > 0 and rounded == "0%":
        return "< 1%"
    if share < 1 and rounded == "100%":
        return "> 99%"
    return rounded


def change_language(db: Session, principal: Principal, *, home: str) -> Response:
    """Keeps the posted language on the launch and goes back to the page that asked, if it is one of the same launch; else `home`."""
    wanted = request.form.get("language", "")
    if wanted in LANGUAGES:
        ours = (Launch.uuid == principal.launch_uuid, Launch.tenant_id == principal.tenant_id)
        db.execute(update(Launch).where(*ours).values(locale=wanted))
    back = request.form.get("back", "")
    return redirect(request.script_root + back if is_below(request.path.rsplit("/", 1)[0] + "/", back) else home, code=303)


def static_url(filename: str) -> str:
    """Address of one of our files, with its content's digest, so that browsers may keep it."""
    return ("" if is_in_path(request) else request.script_root) + _static_path(this_app().static_url_path or "", filename)


def compile_translations(data_dir: Path) -> Path:
    """The folder with the compiled messages, made when the source has changed since.

    data_dir  the installation's folder; several processes may start at once
    Returns   a folder as gettext wants it: `<language>/LC_MESSAGES/messages.mo`
    """
    sources = sorted(TRANSLATIONS.glob("*/LC_MESSAGES/*.po"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    folder = (data_dir / f"translations-{digest}").absolute()
    for source in sources:
        target = folder / source.relative_to(TRANSLATIONS).with_suffix(".mo")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            compiled = BytesIO()
            with source.open("rb") as file:
                write_mo(compiled, read_po(file, locale=source.parent.parent.name))
            handle, name = tempfile.mkstemp(dir=target.parent)
            with os.fdopen(handle, "wb") as out:
                out.write(compiled.getvalue())
            Path(name).replace(target)
    return folder


def is_below(folder: str, address: str) -> bool:
    """Whether an address that a form gave is a path below a folder of ours, however a browser reads it."""
    if len(address) > MAX_BACK_CHARACTERS or not address.startswith(folder) or not address.isprintable():
        return False
    return "//" not in address and "\\" not in address and ".." not in unquote(address).partition("?")[0].split("/")


def _page_values() -> dict[str, Any]:
    return {"lang": page_language(), "principal": g.get("principal"), "now": g.get("now")}


@lru_cache(maxsize=64)
def _static_path(folder: str, filename: str) -> str:
    content = (Path(__file__).resolve().parent.parent / "static" / filename).read_bytes()
    return f"{folder}/{quote(filename)}?v={hashlib.sha256(content).hexdigest()[:12]}"
