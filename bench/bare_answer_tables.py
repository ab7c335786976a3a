"""The tables of the bare baseline of `bench.answer`, apart from its app: importing them opens no database."""

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

metadata = MetaData()
taker = Table("taker", metadata, Column("id", Integer, primary_key=True), Column("token", String(64), unique=True, nullable=False))
answer = Table(
    "answer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("taker_id", Integer, nullable=False, index=True),
    Column("client_id", String(64), unique=True, nullable=False),
    Column("value", Text, nullable=False),
)
shown = Table("shown", metadata, Column("id", Integer, primary_key=True), Column("taker_id", Integer, nullable=False, index=True))
