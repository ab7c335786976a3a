from datetime import UTC, datetime

import pytest
from flask import Flask

from kernel.ids import new_uuid
from lti_tool.views import teacher
from tests.pages import states

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _row(state, score_state):
    return teacher.Row(new_uuid(), None, state, 0, (), NOW, score_state)


ROWS = [_row("none", "none"), _row("open", "none"), _row("finished", "none"), _row("finished", "sent"), _row("finished", "parked")]


@pytest.mark.parametrize(("asked", "n"), [("all", 5), ("none", 1), ("open", 1), ("finished", 3), ("parked", 1)])
def test_each_filter_shows_as_many_people_as_it_counts(pages_app: Flask, asked, n):
    with pages_app.test_request_context():
        values = teacher.activity_values(states.FORM_VIEW, states.FRAMEWORK, ROWS, {"state": asked})

    assert values["n_shown"] == n == values["counts"][asked]
