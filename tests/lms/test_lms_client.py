"""The scripted browser: it sends what a person's browser would send, and says plainly where a walk stopped."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, make_response, redirect, request

from lti_tool.dev.lms import listen, serve
from lti_tool.dev.lms.client import Browser, LmsVisitors, WalkStopped, forms_of
from tests.lms_harness import GRADED, LEARNER, OTHER_LEARNER, TEACHER, running_pair

PAGE = """<!doctype html><title>Form</title>
<form id="first" method="post" action="/echo?from=page">
  <input type="hidden" name="csrf" value="&quot;t&quot;">
  <input type="radio" name="answer" value="a"><input type="radio" name="answer" value="b" checked>
  <input type="checkbox" name="flag" value="one"><input type="checkbox" name="flag" value="two">
  <input name="off" value="x" disabled>
  <textarea name="why">
เพราะ &amp; จึง</textarea>
  <select name="level"><option value="1">หนึ่ง<option value="2" selected>สอง</select>
  <select name="unit"><option> first  unit </option><option>second</option></select>
  <button name="go" value="next">ต่อไป</button><button name="go" value="back">ก่อนหน้า</button>
  <button type="button" name="nothing">-</button>
</form>
<input form="first" name="outside" value="1">
<form id="second" action="/echo"><input name="q" value="คำค้น"></form>"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    app = Flask("pages")

    @app.get("/")
    def front() -> Any:
        response = make_response(PAGE)
        response.set_cookie("seen", request.cookies.get("seen", "no") + "+")
        return response

    @app.route("/echo", methods=["GET", "POST"])
    def echo() -> Any:
        return {
            "values": request.values.to_dict(flat=False),
            "origin": request.headers.get("Origin"),
            "referer": request.headers.get("Referer"),
            "cookies": dict(request.cookies),
            "language": request.headers["Accept-Language"],
        }

    @app.post("/moved")
    def moved() -> Any:
        return redirect("/echo", 303)

    @app.get("/loop")
    def loop() -> Any:
        return redirect("/loop")

    listener = listen()
    server = serve(app, listener=listener)
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def test_a_form_is_submitted_with_the_values_that_the_page_gave_it(site: str) -> None:
    browser = Browser(site)
    sent = browser.submit_form(browser.get(f"{site}/"), form="first").json()

    assert sent["values"] == {
        "from": ["page"],
        "csrf": ['"t"'],
        "answer": ["b"],
        "why": ["เพราะ & จึง"],
        "level": ["2"],
        "unit": ["first unit"],
        "outside": ["1"],
        "go": ["next"],
    }
    assert sent["origin"] == site
    assert sent["referer"] == f"{site}/"
    assert sent["language"] == "th"


def test_filled_values_take_the_place_of_the_pages_and_none_leaves_a_field_out(site: str) -> None:
    browser = Browser(site)
    page = browser.get(f"{site}/")

    filled = {"answer": "a", "flag": ["two", "one"], "why": None}
    sent = browser.submit_form(page, filled, form="first", button="go=back").json()["values"]

    assert (sent["answer"], sent["flag"], sent["go"]) == (["a"], ["two", "one"], ["back"])
    assert "why" not in sent


def test_a_get_form_goes_into_the_query_and_names_no_origin(site: str) -> None:
    browser = Browser(site)

    sent = browser.submit_form(browser.get(f"{site}/"), form="second").json()

    assert sent["values"] == {"q": ["คำค้น"]}
    assert sent["origin"] is None


@pytest.mark.parametrize(
    ("values", "form", "button"),
    [({"absent": "1"}, "first", None), ({"answer": "z"}, "first", None), ({}, "third", None), ({}, 7, None), ({}, "first", "absent")],
)
def test_a_walk_stops_where_the_page_lacks_what_it_needs(site: str, values: dict[str, str], form: Any, button: str | None) -> None:
    browser = Browser(site)
    page = browser.get(f"{site}/")

    with pytest.raises(WalkStopped):
        browser.submit_form(page, values, form=form, button=button)


def test_a_redirect_after_a_post_is_fetched_by_get_and_an_endless_one_stops(site: str) -> None:
    browser = Browser(site)

    assert browser.request("POST", f"{site}/moved", data={"x": "1"}).json()["values"] == {}
    with pytest.raises(WalkStopped, match="redirects"):
        browser.get(f"{site}/loop")


def test_cookies_of_two_ports_of_one_host_stay_apart(site: str) -> None:
    listener = listen()
    other_site = Flask("other")
    other_site.add_url_rule("/", view_func=lambda: {"cookies": dict(request.cookies)})
    server = serve(other_site, listener=listener)
    browser = Browser(site)
    browser.get(f"{site}/")
    seen = browser.get(f"http://127.0.0.1:{server.port}/").json()["cookies"]
    again = browser.get(f"{site}/echo").json()["cookies"]
    server.close()

    assert seen == {}
    assert again == {"seen": "no+"}


def test_several_visitors_have_browsers_of_their_own_and_end_on_the_tools_page() -> None:
    with running_pair() as pair, LmsVisitors(pair.url) as visitors:
        pages = [visitors.open_activity(person_id, GRADED) for person_id in (LEARNER, OTHER_LEARNER, TEACHER, LEARNER)]

        assert {page.url for page in pages} == {f"{pair.tool.url}/page"}
        assert [login["login_hint"] for login in pair.tool.logins] == [LEARNER, OTHER_LEARNER, TEACHER, LEARNER]
        assert [forms_of(page) for page in pages] == [[], [], [], []]


def test_opening_what_a_person_may_not_see_stops_the_walk() -> None:
    with running_pair() as pair, LmsVisitors(pair.url) as visitors:
        with pytest.raises(WalkStopped, match="404"):
            visitors.open_activity(LEARNER, "5")
        with pytest.raises(WalkStopped, match="404"):
            visitors.browser_of("nobody")
