"""The record store by itself: the lines of the page make one that works."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/record-store.md").read_text()
STATEMENT = {
    "actor": {"account": {"homePage": "https://agency.example", "name": "1"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
    "object": {"id": "https://agency.example/page"},
}
VERSION = {"X-Experience-API-Version": "2.0.0"}


def test_twelve_lines_make_a_record_store(tmp_path, monkeypatch, capsys):
    code = re.search(r"^## Use it alone\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert code is not None
    assert len([line for line in code[1].splitlines() if line]) <= 12
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {"__name__": __name__}

    exec(code[1], made)
    client, login = made["app"].test_client(), tuple(capsys.readouterr().out.split())

    stored = client.post("/xapi/statements", json=STATEMENT, headers=VERSION, auth=login)
    assert stored.status_code == 200, stored.text
    found = client.get("/xapi/statements", headers=VERSION, auth=login).json
    assert [one["id"] for one in found["statements"]] == stored.json
    made["database"].dispose()
