"""The bare baseline of `bench.answer`: Flask and SQLAlchemy, one read, two inserts, one commit; no session, no rule, no page."""

import os
from uuid import UUID

from flask import Flask, request
from sqlalchemy import insert, select

from bench.bare_answer_tables import answer, shown, taker
from kernel.db import Database

app = Flask(__name__)
database = Database(os.environ["BARE_DATABASE_URL"])


@app.get("/")
def ready() -> str:
    """Says that the server is up."""
    return "ok"


@app.post("/answer")
def take() -> str:
    """Stores an answer and what is shown next."""
    client_id = str(UUID(request.form["client_id"]))
    with database.transaction() as db:
        taker_id = db.execute(select(taker.c.id).where(taker.c.token == request.form["token"])).scalar_one()
        db.execute(insert(answer).values(taker_id=taker_id, client_id=client_id, value=request.form["value"]))
        db.execute(insert(shown).values(taker_id=taker_id))
    return "saved"
