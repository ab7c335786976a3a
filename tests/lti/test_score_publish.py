"""Scores on their way: what is sent, when it counts as there, and what every fault of a platform does to it."""

import itertools
import json
import math
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet as JwkSet
from sqlalchemy import select

from kernel import outbox
from kernel.http import GuardedClient, HttpPolicy, OutboundFailed
from kernel.outbox import Claimed, OutboxItem, OutboxLane, Pace
from lti_tool import models
from lti_tool.jobs import score_publish
from lti_tool.lti import vocabulary as v
from lti_tool.lti.ags import ScoreInvalid, results_url, scores_url
from lti_tool.lti.services import AccessTokens
from tests.lti.lti_world import CLIENT_ID, TOOL, Answer, Call, Tool

pytestmark = pytest.mark.one_database

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
            [*_, line_item], (user,) = db.scalars(select(models.LineItem).order_by(models.LineItem.id)), db.scalars(select(models.User))
            score_publish.enqueue_score(
                db, line_item=line_item, user=user, score_given=given, score_maximum=maximum, comment=comment, now=self.tool.moment.now
            )

    def work(self) -> list[str]:
        with self.tool.database.transaction() as db:
            claimed = outbox.claim(db, kinds=[score_publish.KIND], now=self.tool.moment.now)
        return [self.publish(item) for item in claimed]

    def publish(self, item: Claimed) -> str:
        how: dict[str, Any] = {"http": self.http, "settings": self.tool.app.settings, "clock": self.tool.moment}
        return score_publish.publish_score(self.tool.database, item, **how)

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


def test_s13_a_score_reaches_its_column_with_all_that_a_gradebook_needs(sender: Sender):
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


@pytest.mark.parametrize(
    ("line_item", "answer"),
    [
        (
            "/api/lti/courses/5/line_items/2",
            Answer(200, b'{"resultUrl": "https://canvas.example/api/lti/courses/5/line_items/2/results/1"}'),
        ),
        ("/learn/api/v1/lti/courses/_4_1_/lineItems/_13_1_", Answer(204)),
        ("/d2l/api/lti/ags/2.0/deployment/5b/orgunit/6609/lineitems/0b7d/lineitem", Answer(200)),
        ("/imsblis/lti13/lineitem/content:18/9", Answer(200)),
        ("/api/lti_consumer/v1/lti/1/lti-ags/2", Answer(201, b'{"timestamp": "2026-11-22T02:30:00Z", "scoreGiven": 70.0}')),
    ],
    ids=["canvas", "blackboard", "brightspace", "sakai", "open edx"],
)
def test_a_score_reaches_the_column_of_each_platform_by_its_own_address(sender: Sender, line_item: str, answer: Answer):
    platform = sender.tool.platform
    platform.answers[f"{line_item}/scores"] = lambda _: answer
    sender.tool.launched(**{v.AGS_ENDPOINT: {"scope": sorted(v.AGS_SCOPES), "lineitem": f"{platform.url}{line_item}"}})
    sender.enqueue()

    assert sender.work() == ["done"]
    (call,) = [call for call in platform.calls if call.path.endswith("/scores")]
    assert (call.path, call.headers["content-type"]) == (f"{line_item}/scores", "application/vnd.ims.lis.v1.score+json")


def test_q35_the_token_is_asked_for_by_an_assertion_that_our_key_set_proves(sender: Sender):
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


def test_q36_one_token_serves_until_its_last_minute(sender: Sender):
    for _ in range(3):
        sender.enqueue()
        sender.work()
        sender.tool.moment.pass_by(seconds=10)
    assert sender.tool.platform.count("/token") == 1

    sender.tool.moment.pass_by(minutes=59)
    sender.enqueue()
    sender.work()

    assert sender.tool.platform.count("/token") == 2


def test_s14_q36_a_401_gets_one_new_token_and_one_more_try(sender: Sender):
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
def test_s14_a_fault_of_the_platform_is_tried_again_with_a_growing_pause(sender: Sender, status: int):
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
def test_s14_a_platform_that_names_a_pause_gets_it(sender: Sender, value: str):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(503, headers={"Retry-After": value})
    sender.enqueue()
    sender.work()

    assert (sender.items[0].due_at - sender.tool.moment.now).total_seconds() == 120


@pytest.mark.parametrize("status", [400, 403, 404, 302])
def test_s14_q42_a_permanent_refusal_is_parked_for_a_person(sender: Sender, status: int):
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


CANVAS_RESULT = {
    "id": "https://canvas.example/results/1", "scoreOf": "https://canvas.example/line_items/2", "userId": "u-1", "resultScore": 35,
    "resultMaximum": 50, "comment": None,
}  # fmt: skip


@pytest.mark.parametrize("held", [results(70.0), results(14.7, 21.0), Answer(body=json.dumps([CANVAS_RESULT]).encode())])
def test_s14_q38_a_409_with_an_equal_result_is_done(sender: Sender, held: Answer):
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
def test_s14_q38_a_409_with_another_result_is_sent_again_with_a_later_time(sender: Sender, held: Answer):
    answers = iter([Answer(409), Answer(200)])
    sender.tool.platform.answers[SCORES] = lambda _: next(answers)
    sender.tool.platform.answers[RESULTS] = lambda _: held
    sender.enqueue()

    assert sender.work() == ["again"]
    sender.tool.moment.now = sender.items[0].due_at
    assert sender.work() == ["done"]

    first, second = (datetime.fromisoformat(score["timestamp"]) for score in sender.sent)
    assert (second - first).total_seconds() >= 1


def test_s14_q38_timestamps_rise_by_a_second_and_are_never_in_the_future(sender: Sender):
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


def test_s12_h41_no_token_goes_to_a_host_that_is_not_approved(sender: Sender, other_platform: Any):
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
def test_q34_a_platform_that_gives_no_token_gets_no_score(sender: Sender, answer: Answer, state: str):
    sender.tool.platform.answers["/token"] = lambda _: answer
    sender.enqueue()

    assert sender.work() == [state]
    assert sender.posts == []


def test_q34_a_token_that_comes_as_html_is_read_by_its_content(sender: Sender):
    body = json.dumps({"access_token": "t", "expires_in": 3600}).encode()
    sender.tool.platform.answers["/token"] = lambda _: Answer(200, body, {"Content-Type": "text/html"})
    sender.enqueue()

    assert sender.work() == ["done"]


@pytest.mark.parametrize(
    ("given", "maximum"), [(math.nan, 100.0), (math.inf, 100.0), (-1.0, 100.0), (101.0, 100.0), (0.0, 0.0), (True, 1), (1.0, -1.0)]
)
def test_q40_points_that_are_no_score_are_refused_before_they_are_stored(sender: Sender, given: Any, maximum: Any):
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
def test_q41_service_addresses_are_built_before_the_query(url: str, scores: str, results: str):
    assert (scores_url(url), results_url(url, "u&1")) == (scores, results)


def waiting(sender: Sender) -> list[OutboxItem]:
    return [item for item in sender.items if item.state == "waiting"]


@pytest.mark.parametrize("status", [403, 404])
def test_s13_a_column_that_is_gone_parks_all_that_waits_for_it_without_a_call_each(sender: Sender, status: int):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(status)
    with sender.tool.database.transaction() as db:
        first = db.scalars(select(models.User)).one()
        for number in range(3):
            user = models.User(
                tenant_id=first.tenant_id, registration_id=first.registration_id, sub=f"u-{number + 2}", created_at=first.created_at
            )
            db.add(user)
            db.flush()
            (line_item,) = db.scalars(select(models.LineItem))
            score_publish.enqueue_score(
                db, line_item=line_item, user=user, score_given=1.0, score_maximum=2.0, comment=None, now=sender.tool.moment.now
            )

    with sender.tool.database.transaction() as db:
        (claimed,) = outbox.claim(db, kinds=[score_publish.KIND], now=sender.tool.moment.now, limit=1)
    assert sender.publish(claimed) == "parked"

    assert len(sender.posts) == 1
    assert waiting(sender) == []
    scores = sorted(sender.tool.rows(models.Score), key=lambda score: score.id)
    assert [(score.state, score.last_error) for score in scores] == [
        ("parked", f"status {status}"), ("parked", "column_gone"), ("parked", "column_gone"),
    ]  # fmt: skip
    assert sender.tool.rows(models.LineItem)[0].gone_at == sender.tool.moment.now


def test_a_score_for_a_column_that_is_gone_is_parked_without_a_call(sender: Sender):
    with sender.tool.database.transaction() as db:
        db.query(models.LineItem).update({"gone_at": sender.tool.moment.now})
    sender.enqueue()

    assert sender.work() == ["parked"]
    assert (sender.posts, sender.score.last_error) == ([], "column_gone")


def test_a_value_waits_until_the_try_of_the_one_before_it_has_ended(sender: Sender):
    outcomes: list[str] = []

    def meanwhile(_: Call) -> Answer:
        sender.tool.platform.answers[SCORES] = lambda _: Answer(200)
        sender.enqueue(90.0)
        sender.tool.moment.pass_by(seconds=5)
        outcomes.extend(sender.work())  # another worker, while this try is under way
        return Answer(200)

    sender.tool.platform.answers[SCORES] = meanwhile
    sender.enqueue(10.0)
    outcomes += sender.work()
    sender.tool.moment.pass_by(seconds=2)
    outcomes += sender.work()

    assert outcomes == ["again", "done", "done"]
    assert [score["scoreGiven"] for score in sender.sent] == [10.0, 90.0]


def test_a_worker_that_died_in_a_try_does_not_hold_up_the_next_value_beyond_its_lease(sender: Sender):
    sender.enqueue(10.0)
    with sender.tool.database.transaction() as db:
        outbox.claim(db, kinds=[score_publish.KIND], now=sender.tool.moment.now)
        db.query(models.Score).update({"sending_until": sender.tool.moment.now + score_publish.SENDING})
    sender.tool.moment.pass_by(seconds=outbox.LEASE_SECONDS)

    assert sender.work() == ["done"]


@pytest.mark.parametrize("fault", ["hang", 429, 503, "token 500"])
def test_r9_a_platform_that_is_away_pauses_its_lane_and_gets_all_in_order_when_it_is_back(sender: Sender, fault: Any):
    back = sender.tool.moment.now + timedelta(minutes=20)
    usual_token = sender.tool.platform.answers["/token"]

    def is_away() -> bool:
        return sender.tool.moment.now < back

    def score(_: Call) -> Answer:
        return Answer(fault) if is_away() and isinstance(fault, int) else Answer(200)

    sender.tool.platform.answers[SCORES] = score
    sender.tool.platform.answers["/token"] = lambda call: Answer(500) if is_away() and fault == "token 500" else usual_token(call)
    if fault == "hang":
        real = sender.http.request

        def request(method: str, url: str, **options: Any) -> Any:
            if is_away():
                raise OutboundFailed(reason="timeout")
            return real(method, url, **options)

        sender.http.request = request  # type: ignore[method-assign]
    pace = Pace(5.0, timedelta(seconds=1), at_once=5)
    n_tries, given = 0, 0.0
    while waiting(sender) or given < 3:
        if given < 3:
            given += 1
            sender.enqueue(given)
        with sender.tool.database.transaction() as db:
            claimed = outbox.claim(db, kinds=[score_publish.KIND], now=sender.tool.moment.now, pace=pace)
        n_tries += len(claimed) if is_away() else 0
        for item in claimed:
            sender.publish(item)
        sender.tool.moment.pass_by(seconds=5)
        assert sender.tool.moment.now < back + timedelta(minutes=15), "not delivered within fifteen minutes of recovery"

    delivered = [json.loads(call.body)["scoreGiven"] for call in sender.posts][-1:]
    assert (delivered, sender.score.state) == ([3.0], "sent")
    assert n_tries < 30  # in twenty minutes: it is not hammered while it is away


def test_r9_a_grade_that_is_locked_does_not_hold_up_those_of_others(sender: Sender):
    sender.tool.platform.answers[SCORES] = lambda _: Answer(500)
    sender.enqueue()
    sender.work()

    with sender.tool.database.reading() as db:
        (lane,) = db.scalars(select(OutboxLane))
    assert (lane.failures, lane.paused_until) == (0, None)
    assert sender.score.last_error == "status 500"


def test_q36_the_granted_scopes_are_compared_with_what_is_needed(sender: Sender):
    body = json.dumps({"access_token": "t", "expires_in": 3600, "scope": v.SCOPE_LINE_ITEM}).encode()
    sender.tool.platform.answers["/token"] = lambda _: Answer(200, body)
    sender.enqueue()

    assert sender.work() == ["parked"]
    assert (sender.posts, sender.score.last_error) == ([], "scope_missing")


def test_q34_a_404_of_the_token_endpoint_hints_at_our_key_set(sender: Sender):
    sender.tool.platform.answers["/token"] = lambda _: Answer(404, b"<html>")
    sender.enqueue()
    sender.work()

    assert "key set" in str(sender.score.last_error)


def test_q39_a_comment_is_repeated_with_every_score(sender: Sender):
    sender.enqueue(10.0)
    sender.work()
    sender.tool.moment.pass_by(seconds=2)
    with sender.tool.database.transaction() as db:
        score = db.scalars(select(models.Score)).one()
        (line_item,) = db.scalars(select(models.LineItem))
        score_publish.send_again(db, score, registration_id=line_item.registration_id, now=sender.tool.moment.now)
    sender.work()

    assert [score["comment"] for score in sender.sent] == ["ผ่าน", "ผ่าน"]


def test_q37_nothing_but_a_final_score_is_ever_sent(sender: Sender):
    for given in (0.0, 50.0):
        sender.enqueue(given)
        sender.work()
        sender.tool.moment.pass_by(seconds=2)

    assert {(score["gradingProgress"], "scoreGiven" in score) for score in sender.sent} == {("FullyGraded", True)}


def test_q38_a_stamp_is_utc_with_its_zone(sender: Sender):
    sender.enqueue()
    sender.work()

    assert sender.sent[0]["timestamp"].endswith("Z")
    assert datetime.fromisoformat(sender.sent[0]["timestamp"]) == sender.tool.moment.now


def test_q42_a_score_is_stored_before_it_is_sent(sender: Sender):
    stored: list[models.Score] = []
    sender.tool.platform.answers[SCORES] = lambda _: stored.extend(sender.tool.rows(models.Score)) or Answer(500)
    sender.enqueue()
    sender.work()

    assert [score.given for score in stored] == [70.0]
