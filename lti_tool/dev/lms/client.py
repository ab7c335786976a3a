"""A scripted browser for the LMS user's side: tests and `demo --once` walk pages with it as a person would.

It keeps a cookie jar for each origin, because a real frame's cookies are apart too and hosts on loopback would
share theirs across ports. It runs no script: a page that posts itself has its form submitted here.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import urldefrag, urljoin, urlsplit

import requests

MAX_REDIRECTS = 10
TIMEOUT_SECONDS = 30
N_ANSWERS_KEPT = 50

Value = str | Sequence[str]


class WalkStopped(Exception):
    """A page was not as the walk needs it; the text says what was met where."""


@dataclass(slots=True)
class Form:
    """One form of a page with the values that its fields have."""

    id: str
    action: str
    """Full address."""
    method: str
    """`get` or `post`."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Successful controls in page order; buttons are apart."""
    buttons: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, value and formaction of each submit button, as written."""
    choices: dict[str, list[str]] = field(default_factory=dict)
    """Values offered by radio buttons, checkboxes and lists, by field name."""

    def names(self) -> set[str]:
        """Every field name that may be filled."""
        return {name for name, _ in self.fields} | set(self.choices)


class Browser:
    """One person's browser at one LMS."""

    def __init__(self, lms_url: str, *, language: str = "th", timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.lms_url = lms_url.rstrip("/")
        self.language = language
        self.timeout_seconds = timeout_seconds
        self.history: deque[requests.Response] = deque(maxlen=N_ANSWERS_KEPT)
        """The last answers, redirects included, oldest first."""
        self._sessions: dict[str, requests.Session] = {}

    def session_of(self, url: str) -> requests.Session:
        """The jar and connections of one origin."""
        return self._sessions.setdefault(origin_of(url), _new_session())

    def request(
        self, method: str, url: str, *, page: requests.Response | None = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> requests.Response:
        """One request and its redirects.

        page      the page it is made from: gives Referer, and Origin when it is not a GET
        options   as `requests` takes them (data, json, params ...)
        Raises    WalkStopped after too many redirects
        """
        sent = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": self.language, **self._page_headers(method, page)}
        sent |= headers or {}
        for _ in range(MAX_REDIRECTS):
            session = self.session_of(url)
            response = session.request(method, url, headers=sent, allow_redirects=False, timeout=self.timeout_seconds, **options)
            self.history.append(response)
            if not response.is_redirect:
                return response
            url = urljoin(response.url, response.headers["Location"])
            if response.status_code not in {307, 308}:
                method, options = "GET", {}
                sent.pop("Origin", None)
        raise WalkStopped(f"more than {MAX_REDIRECTS} redirects, the last to {urlsplit(url).path}")

    def get(self, url: str, **options: Any) -> requests.Response:
        """A page."""
        return self.request("GET", url, **options)

    def forms(self, page: requests.Response) -> list[Form]:
        """The forms of a page, in order."""
        return forms_of(page)

    def submit_form(
        self,
        page: requests.Response,
        values: Mapping[str, Value | None] | None = None,
        *,
        form: str | int = 0,
        button: str | None = None,
    ) -> requests.Response:
        """Submits a form of a page as a browser without script would.

        values   fields to fill in or, by None, to leave out; several values for a name in a list
        form     the form's id, or its place on the page
        button   `name=value` or `name` of the button pressed; None presses the first one
        Raises   WalkStopped when there is no such form or button, or the form has no such field
        """
        chosen = find_form(page, form)
        filled = _filled(chosen, values or {})
        pressed, address = _pressed(chosen, button, page)
        data = [*filled, *pressed]
        if chosen.method == "get":
            return self.get(address, page=page, params=data)
        return self.request("POST", address, page=page, data=data)

    def sign_in(self, person_id: str) -> requests.Response:
        """Becomes a person of the LMS; gives the page after."""
        front = self.get(f"{self.lms_url}/")
        page = self.request("POST", f"{self.lms_url}/sign-in", page=front, data={"person": person_id})
        if not page.ok:
            raise WalkStopped(f"signing in as {person_id} was answered {page.status_code}")
        return page

    def open_activity(self, activity_id: str, *, in_window: bool = False) -> requests.Response:
        """Opens an activity and walks to the tool's first page: activity page, login initiation, authentication, launch, redirect.

        in_window   True: in a window of its own instead of the frame
        Returns     the tool's answer, whatever its status: a refusal is a page too
        Raises      WalkStopped when the LMS itself does not lead to the tool
        """
        activity = self.get(f"{self.lms_url}/activities/{activity_id}")
        if not activity.ok:
            raise WalkStopped(f"the activity page was answered {activity.status_code}")
        target = "?target=window" if in_window else ""
        return self.open_message(f"/activities/{activity_id}/launch{target}", page=activity)

    def open_message(self, path: str, *, page: requests.Response | None = None) -> requests.Response:
        """Walks from one of the LMS's login initiations to the tool's first page: initiation, authentication, launch, redirect.

        path   the initiation's, such as `/activities/11/launch`
        """
        initiation = self.get(f"{self.lms_url}{path}", page=page)
        authentication = self.submit_form(initiation, form="handover")
        if origin_of(authentication.url) != origin_of(self.lms_url) or not _has_form(authentication, "handover"):
            return authentication
        return self.submit_form(authentication, form="handover")

    def open_review(self, activity_id: str, person_id: str) -> requests.Response:
        """Opens a learner's work from the gradebook (see `open_message`)."""
        return self.open_message(f"/activities/{activity_id}/review/{person_id}/launch")

    def open_picker(self, course_id: str, deployment_id: str, *, activity_id: str = "") -> requests.Response:
        """A teacher's way to the tool's picker: the activity form, then deep linking in its dialog.

        activity_id   whose content shall be chosen anew; empty adds an activity
        """
        chosen = f"activities/{activity_id}/edit" if activity_id else f"courses/{course_id}/activities/new?tool={deployment_id}"
        form = self.get(f"{self.lms_url}/{chosen}")
        if not form.ok:
            raise WalkStopped(f"the activity form was answered {form.status_code}")
        return self.open_message(f"/courses/{course_id}/content-item?tool={deployment_id}&activity={activity_id}", page=form)

    def return_content(self, page: requests.Response, *, form: str | int = 0) -> requests.Response:
        """From the tool's page that hands its choice back to the LMS's activity form, filled in and not yet saved."""
        returned = self.submit_form(page, form=form)
        if not returned.ok:
            raise WalkStopped(f"the return of content was answered {returned.status_code}")
        return self.submit_form(returned, form="handover")

    def open_registration(self, registration_url: str, *, choice: str = "") -> requests.Response:
        """An administrator's way to a tool's registration page, in the frame where the LMS opens it.

        choice   `new` or the deployment id to update, where a tool of the same domain is registered
        """
        query = {"url": registration_url, **({"tool": choice} if choice else {})}
        page = self.get(f"{self.lms_url}/administration/tools/register", params=query)
        frame = re.search(r'<iframe id="registration"[^>]* src="([^"]+)"', page.text)
        if frame is None:
            raise WalkStopped(f"the LMS opened no registration frame and answered {page.status_code}")
        return self.get(unescape(frame.group(1)), page=page)

    def close(self) -> None:
        """Closes connections and forgets cookies."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _page_headers(method: str, page: requests.Response | None) -> dict[str, str]:
        if page is None:
            return {}
        headers = {"Referer": urldefrag(page.url).url}
        if method != "GET":
            headers["Origin"] = origin_of(page.url)
        return headers


class LmsVisitors:
    """The browsers of several people at one LMS, one for each, made when first needed."""

    def __init__(self, lms_url: str, *, language: str = "th") -> None:
        self.lms_url = lms_url
        self.language = language
        self._browsers: dict[str, Browser] = {}

    def browser_of(self, person_id: str) -> Browser:
        """The person's browser, signed in at the LMS."""
        if person_id not in self._browsers:
            browser = Browser(self.lms_url, language=self.language)
            browser.sign_in(person_id)
            self._browsers[person_id] = browser
        return self._browsers[person_id]

    def open_activity(self, person_id: str, activity_id: str, *, in_window: bool = False) -> requests.Response:
        """The tool's first page for this person and activity (see `Browser.open_activity`)."""
        return self.browser_of(person_id).open_activity(activity_id, in_window=in_window)

    def close(self) -> None:
        """Closes every browser."""
        for browser in self._browsers.values():
            browser.close()
        self._browsers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def origin_of(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def forms_of(page: requests.Response) -> list[Form]:
    """The forms of a page, in order."""
    reader = _FormReader(page.url)
    reader.feed(page.content.decode("utf-8", "replace"))
    reader.close()
    return reader.forms


def find_form(page: requests.Response, form: str | int) -> Form:
    """One form by id or place. Raises WalkStopped when the page has none such."""
    forms = forms_of(page)
    if isinstance(form, int) and form < len(forms):
        return forms[form]
    found = next((candidate for candidate in forms if candidate.id == form), None)
    if found is None:
        raise WalkStopped(f"no form {form!r} on the page {urlsplit(page.url).path}, answered {page.status_code}")
    return found


def _has_form(page: requests.Response, form_id: str) -> bool:
    return any(form.id == form_id for form in forms_of(page))


def _filled(form: Form, values: Mapping[str, Value | None]) -> list[tuple[str, str]]:
    unknown = set(values) - form.names()
    if unknown:
        raise WalkStopped(f"the form has no field {', '.join(sorted(unknown))}")
    data = [pair for pair in form.fields if pair[0] not in values]
    for name, value in values.items():
        if value is None:
            continue
        for one in [value] if isinstance(value, str) else value:
            if name in form.choices and one not in form.choices[name]:
                raise WalkStopped(f"the field {name} does not offer {one!r}")
            data.append((name, one))
    return data


def _pressed(form: Form, button: str | None, page: requests.Response) -> tuple[list[tuple[str, str]], str]:
    """The pressed button's pair and the address that the form goes to."""
    if button is None:
        if not form.buttons:
            return [], form.action
        name, value, action = form.buttons[0]
    else:
        wanted_name, has_value, wanted_value = button.partition("=")
        matching = [item for item in form.buttons if item[0] == wanted_name and (not has_value or item[1] == wanted_value)]
        if not matching:
            raise WalkStopped(f"the form has no button {button!r}")
        name, value, action = matching[0]
    return ([(name, value)] if name else []), urljoin(page.url, action) if action else form.action


def _new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


class _FormReader(HTMLParser):
    """Reads forms and the values that a browser would send of them (HTML, section 4.10.22.4)."""

    def __init__(self, page_url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self._page_url = page_url
        self._form: Form | None = None
        self._textarea: tuple[str, list[str]] | None = None
        self._select: tuple[str, bool, list[str], list[str]] | None = None
        self._option: tuple[str | None, bool, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self._page_url, given.get("action", "")) or self._page_url
            self._form = Form(id=given.get("id", ""), action=action, method=given.get("method", "get").lower())
            self.forms.append(self._form)
            return
        form = self._form_of(given)
        if form is None or "disabled" in given:
            return
        name = given.get("name", "")
        if tag == "input":
            self._read_input(form, name, given)
        elif tag == "button" and given.get("type", "submit").lower() == "submit":
            form.buttons.append((name, given.get("value", ""), given.get("formaction", "")))
        elif tag == "textarea" and name:
            self._textarea = (name, [])
        elif tag == "select" and name:
            self._select = (name, "multiple" in given, [], [])
        elif tag == "option" and self._select is not None:
            self._end_option()
            self._option = (given.get("value"), "selected" in given, [])

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self._textarea[1].append(data)
        elif self._option is not None:
            self._option[2].append(data)

    def handle_endtag(self, tag: str) -> None:
        form = self._form
        if tag == "form":
            self._form = None
        elif tag == "option":
            self._end_option()
        elif tag == "textarea" and self._textarea is not None and form is not None:
            text = "".join(self._textarea[1])
            form.fields.append((self._textarea[0], text.removeprefix("\n")))
            self._textarea = None
        elif tag == "select" and self._select is not None and form is not None:
            self._end_option()
            name, is_multiple, offered, selected = self._select
            form.choices.setdefault(name, []).extend(offered)
            if not selected and not is_multiple:
                selected = offered[:1]
            form.fields.extend((name, value) for value in selected)
            self._select = None

    def _form_of(self, given: Mapping[str, str]) -> Form | None:
        """The form around a control, or the one that its `form` attribute names (when it stands before it)."""
        if "form" in given:
            return next((form for form in self.forms if form.id == given["form"]), None)
        return self._form

    @staticmethod
    def _read_input(form: Form, name: str, given: Mapping[str, str]) -> None:
        kind = given.get("type", "text").lower()
        if kind in {"submit", "image"}:
            form.buttons.append((name, given.get("value", ""), given.get("formaction", "")))
        elif name and kind in {"checkbox", "radio"}:
            value = given.get("value", "on")
            form.choices.setdefault(name, []).append(value)
            if "checked" in given:
                form.fields.append((name, value))
        elif name and kind not in {"button", "reset", "file"}:
            form.fields.append((name, given.get("value", "")))

    def _end_option(self) -> None:
        if self._option is None or self._select is None:
            return
        value, is_selected, text = self._option
        chosen = value if value is not None else " ".join("".join(text).split())
        self._select[2].append(chosen)
        if is_selected:
            self._select[3].append(chosen)
        self._option = None
