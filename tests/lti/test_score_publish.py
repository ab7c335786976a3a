"""Scores on their way: what is sent, when it counts as there, and what every fault of a platform does to it."""

import itertools
import json
import math
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet as JwkSet
from sqlalchemy import select

from kernel import outbox
from kernel.http import GuardedClient, HttpPolicy
from kernel.outbox import OutboxItem
from lti_tool import models
from lti_tool.jobs import score_publish
from lti_tool.lti import vocabulary as v
from lti_tool.lti.ags import ScoreInvalid, results_url, scores_url
from lti_tool.lti.services import AccessTokens
from tests.lti.lti_world import CLIENT_ID, TOOL, Answer, Call, Tool

SCORES, RESULTS = "/items/1/lineitem/scores", "/items/1/lineitem/results"


class Sender:
    """The tool's worker, one round at a time."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.http = GuardedClient(HttpPolicy(dev_mode=True))
        tool.launched()
        tool.platform.answers[SCORES] = lambda _: Answer(200)

    def enqueue(self, given: float = 70.0, maximum: float = 100.0, comment: str | None = "ผ่าน") -> None:
        with self.tool.database.transaction() as db:
            (line_item,), (user,) = db.scalars(select(models.LineItem)), db.scalars(select(models.User))
            score_publish.enqueue_score(
                db, line_item=line_item, user=user, score_given=given, score_maximum=maximum, comment=comment, now=self.tool.moment.now
            )

    def work(self) -> list[str]:
        with self.tool.database.transaction() as db:
            claimed = outbox.claim(db, kinds=[score_publish.KIND], now=self.tool.moment.now)
        return [
            score_publish.publish_score(self.tool.database, item, http=self.http, settings=self.tool.app.settings, clock=self.tool.moment)
            for item in claimed
        ]

    @property
    def posts(self) -> list[Call]:
        return [call for call in self.tool.platform.calls if call.method == "POST" and call.path.startswith(SCORES)]

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(call.body) for call in self.posts]

    @property
    def score(self) -> models.Score:
        (score,) = self.tool.rows(models.Score)
        return score

    @property
    def items(self) -> list[OutboxItem]:
        return sorted(self.tool.rows(OutboxItem), key=lambda item: item.id)


@pytest.fixture
def sender(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.setattr(score_publish, "TOKENS", AccessTokens())
    return Sender(tool)


def test_a_score_reaches_its_column_with_all_that_a_gradebook_needs(sender: Sender):
    sender.enqueue()

    assert sender.work() == ["done"]

    (call,) = sender.posts
    assert call.path == f"{SCORES}?type_id=1"
    assert call.headers["content-type"] == "application/vnd.ims.lis.v1.score+json"
    assert call.headers["authorization"] == "Bearer token-1"
    assert "," not in call.headers.get("accept", "")
    assert json.loads(call.body) == {
        "userId": "u-1", "scoreGiven": 70.0, "scoreMaximum": 100.0, "comment": "ผ่าน", "activityProgress": "Completed",
        "gradingProgress": "FullyGraded", "timestamp": "2026-11-22T02:30:00Z",
    }  # fmt: skip
    assert (sender.score.state, sender.score.sent_at, sender.items[0].state) == ("sent", sender.tool.moment.now, "done")


def test_the_token_is_asked_for_by_an_assertion_that_our_key_set_proves(sender: Sender):
    sender.enqueue()
    sender.work()

    (call,) = [call for call in sender.tool.platform.calls if call.path == "/token"]
    form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
    keys = JwkSet.import_key_set(sender.tool.browser.get("/lti/jwks.json", base_url=TOOL).get_json())
    token = jwt.decode(form["client_assertion"], keys, algorithms=["RS256"])
    now = int(sender.tool.moment.now.timestamp())
    assert (form["grant_type"], form["scope"]) == ("client_credentials", v.SCOPE_SCORE)
    assert (token.claims["iss"], token.claims["sub"], token.claims["aud"]) == (CLIENT_ID, CLIENT_ID, f"{sender.tool.platform.url}/token")
    assert (token.claims["iat"], token.claims["exp"]) == (now - 5, now + 55)
    assert token.header["kid"] == keys.keys[0].kid


def test_the_registrations_own_audience_is_used_where_it_has_one(sender: Sender):
    with sender.tool.database.transaction() as db:
        db.query(models.Registration).update({"token_audience": "https://aud.example/"})
    sender.enqueue()
    sender.work()

    (call,) = [call for call in sender.tool.platform.calls if call.path == "/token"]
    assertion = parse_qs(call.body.decode())["client_assertion"][0].split(".")[1]
    assert json.loads(urlsafe_b64decode(assertion + "=="))["aud"] == "https://aud.example/"


def test_one_token_serves_until_its_last_minute(sender: Sender):
    for _ in range(3):
        sender.enqueue()
        sender.work()
        sender.tool.moment.pass_by(seconds=10)
    assert sender.tool.platform.count("/token") == 1

    sender.tool.moment.pass_by(minutes=59)
    sender.enqueue()
    sender.work()

    assert sender.tool.platform.count("/token") == 2


def test_a_401_gets_one_new_token_and_one_more_try(sender: Sender):
    answers = iter([Answer(401), Answer(200)])
    sender.tool.platform.answers[SCORES] = lambda _: next(answers)
    sender.enqueue()

    assert sender.work() == ["done"]
    assert sender.tool.platform.count("/token") == 2


def test_a_platform_that_always_says_401_is_asked_twice_and_then_later(sender: Sender):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(401)
    sender.enqueue()

    assert sender.work() == ["again"]
    assert len(sender.posts) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_fault_of_the_platform_is_tried_again_with_a_growing_pause(sender: Sender, status: int):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(status)
    sender.enqueue()

    pauses = []
    for _ in range(4):
        assert sender.work() == ["again"]
        pauses.append((sender.items[0].due_at - sender.tool.moment.now).total_seconds())
        sender.tool.moment.now = sender.items[0].due_at

    assert all(2**n * 0.5 <= pause <= 2**n for n, pause in enumerate(pauses, start=1))
    assert (sender.score.state, sender.score.last_error) == ("waiting", f"status {status}")
    sender.tool.platform.answers[SCORES] = lambda _: Answer(200)
    assert sender.work() == ["done"]
    assert sender.score.last_error is None


@pytest.mark.parametrize("value", ["120", "Sun, 22 Nov 2026 02:32:00 GMT"])
def test_a_platform_that_names_a_pause_gets_it(sender: Sender, value: str):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(503, headers={"Retry-After": value})
    sender.enqueue()
    sender.work()

    assert (sender.items[0].due_at - sender.tool.moment.now).total_seconds() == 120


@pytest.mark.parametrize("status", [400, 403, 404, 302])
def test_a_permanent_refusal_is_parked_for_a_person(sender: Sender, status: int):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(status, headers={"Location": "http://127.0.0.1:1/"})
    sender.enqueue()

    assert sender.work() == ["parked"]
    assert (sender.score.state, sender.score.last_error, sender.items[0].state) == ("parked", f"status {status}", "parked")
    assert len(sender.posts) == 1


def test_a_platform_that_is_away_is_tried_again(sender: Sender):
    sender.enqueue()
    sender.tool.platform.close()

    assert sender.work() == ["again"]
    assert sender.items[0].last_error in {"unreachable", "broken"}


def results(given: float, maximum: float = 100.0, sub: str = "u-1") -> Answer:
    return Answer(body=json.dumps([{"userId": sub, "resultScore": given, "resultMaximum": maximum}]).encode())


@pytest.mark.parametrize("held", [results(70.0), results(14.7, 21.0)])
def test_a_409_with_an_equal_result_is_done(sender: Sender, held: Answer):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(409)
    sender.tool.platform.answers[RESULTS] = lambda _: held
    sender.enqueue()

    assert sender.work() == ["done"]
    (call,) = [call for call in sender.tool.platform.calls if call.path.startswith(RESULTS)]
    assert parse_qs(urlsplit(call.path).query) == {"type_id": ["1"], "user_id": ["u-1"]}
    assert call.headers["accept"] == "application/vnd.ims.lis.v2.resultcontainer+json"


@pytest.mark.parametrize(
    "held", [results(50.0), results(70.0, sub="u-2"), Answer(body=b"[]"), Answer(500), Answer(body=b"<html>"), results(math.nan)]
)
def test_a_409_with_another_result_is_sent_again_with_a_later_time(sender: Sender, held: Answer):
    answers = iter([Answer(409), Answer(200)])
    sender.tool.platform.answers[SCORES] = lambda _: next(answers)
    sender.tool.platform.answers[RESULTS] = lambda _: held
    sender.enqueue()

    assert sender.work() == ["again"]
    sender.tool.moment.now = sender.items[0].due_at
    assert sender.work() == ["done"]

    first, second = (datetime.fromisoformat(score["timestamp"]) for score in sender.sent)
    assert (second - first).total_seconds() >= 1


def test_timestamps_rise_by_a_second_and_are_never_in_the_future(sender: Sender):
    for given in (10.0, 20.0, 30.0):
        sender.enqueue(given)
        while any(item.state == "waiting" for item in sender.items):
            sender.work()
            sender.tool.moment.pass_by(milliseconds=400)

    stamps = [datetime.fromisoformat(score["timestamp"]) for score in sender.sent]
    assert [score["scoreGiven"] for score in sender.sent] == [10.0, 20.0, 30.0]
    assert all((later - earlier).total_seconds() >= 1 for earlier, later in itertools.pairwise(stamps))
    assert all(stamp <= sender.tool.moment.now.astimezone(UTC) for stamp in stamps)


def test_only_the_newest_value_is_sent(sender: Sender):
    sender.enqueue(10.0)
    sender.enqueue(90.0)

    assert sorted(sender.work()) == ["done", "superseded"]
    assert [score["scoreGiven"] for score in sender.sent] == [90.0]
    assert sender.score.version == 2


def test_a_value_that_changes_while_it_is_sent_is_sent_again_by_its_own_row(sender: Sender):
    def meanwhile(_: Call) -> Answer:
        sender.tool.platform.answers[SCORES] = lambda _: Answer(200)
        sender.enqueue(90.0)
        return Answer(500)

    sender.tool.platform.answers[SCORES] = meanwhile
    sender.enqueue(10.0)

    assert sender.work() == ["superseded"]
    sender.tool.moment.pass_by(seconds=2)
    assert sender.work() == ["done"]
    assert (sender.sent[-1]["scoreGiven"], sender.score.state) == (90.0, "sent")


def test_no_transaction_is_open_while_the_platform_is_called(sender: Sender):
    def write_beside(_: Call) -> Answer:
        with sender.tool.database.transaction() as db:
            db.query(models.User).update({"display_name": "beside"})
        return Answer(200)

    sender.tool.platform.answers[SCORES] = write_beside
    sender.enqueue()

    assert sender.work() == ["done"]


def test_h41_no_token_goes_to_a_host_that_is_not_approved(sender: Sender, other_platform: Any):
    with sender.tool.database.transaction() as db:
        db.query(models.LineItem).update({"url": f"{other_platform.url}/items/1"})
    sender.enqueue()

    assert sender.work() == ["parked"]
    assert other_platform.calls == []
    assert sender.tool.platform.count("/token") == 0
    assert sender.score.last_error == "host_foreign"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(400, b'{"error":"invalid_scope"}'), "parked"),
        (Answer(400, b'{"error":"Expired token "quoted""}'), "again"),
        (Answer(404, b"<html>"), "again"),
        (Answer(200, b"<html>"), "again"),
        (Answer(200, b'{"access_token":5}'), "again"),
        (Answer(200, b'{"access_token":"a\\r\\nb"}'), "again"),
        (Answer(500), "again"),
    ],
)
def test_a_platform_that_gives_no_token_gets_no_score(sender: Sender, answer: Answer, state: str):
    sender.tool.platform.answers["/token"] = lambda _: answer
    sender.enqueue()

    assert sender.work() == [state]
    assert sender.posts == []


def test_a_token_that_comes_as_html_is_read_by_its_content(sender: Sender):
    body = json.dumps({"access_token": "t", "expires_in": 3600}).encode()
    sender.tool.platform.answers["/token"] = lambda _: Answer(200, body, {"Content-Type": "text/html"})
    sender.enqueue()

    assert sender.work() == ["done"]


@pytest.mark.parametrize(
    ("given", "maximum"), [(math.nan, 100.0), (math.inf, 100.0), (-1.0, 100.0), (101.0, 100.0), (0.0, 0.0), (True, 1), (1.0, -1.0)]
)
def test_points_that_are_no_score_are_refused_before_they_are_stored(sender: Sender, given: Any, maximum: Any):
    with pytest.raises(ScoreInvalid):
        sender.enqueue(given, maximum)

    assert (sender.tool.rows(models.Score), sender.items) == ([], [])


@pytest.mark.parametrize(
    ("url", "scores", "results"),
    [
        ("https://p/1/lineitem?type_id=2", "https://p/1/lineitem/scores?type_id=2", "https://p/1/lineitem/results?type_id=2&user_id=u%261"),
        ("https://p/1/", "https://p/1/scores", "https://p/1/results?user_id=u%261"),
        ("https://p/1?a=b?c", "https://p/1/scores?a=b?c", "https://p/1/results?a=b?c&user_id=u%261"),
    ],
)
def test_service_addresses_are_built_before_the_query(url: str, scores: str, results: str):
    assert (scores_url(url), results_url(url, "u&1")) == (scores, results)
