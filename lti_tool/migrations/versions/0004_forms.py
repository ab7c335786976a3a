"""What forms and items hold for linear tests, testlets and partial credit, and verdicts on each cut

Scores become shares of an item's full credit: those that are stored stay 1 and 0. Verdicts on cuts that are stored already follow
from their chances by the rule that holds where a form says nothing else.

Revision  0004
Follows   0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
ADDED = (
    ("item_parameter", "steps", JSON, "[]"),
    ("item_version", "is_partial", sa.Boolean(), sa.false()),
    ("item_version", "testlet", sa.String(length=64), None),
    ("item_version", "testlet_place", sa.SmallInteger(), None),
    ("form_version", "sequences", JSON, "[]"),
    ("ability_estimate", "verdicts", JSON, "[]"),
)
"""Table, column, type, and what rows that are there already have; none where the column may be empty."""
MODELS = "model IN ('rasch', '2pl', '3pl'{})"
REASONS = "finish_reason IN ('precise', 'max_items', 'time', 'bank_exhausted'{})"
CONFIDENCE = 0.90
AT_ONCE = 1000


def upgrade() -> None:
    for table, name, kind, default in ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=default))
    _change_check("item_parameter", "ck_item_parameter_model", MODELS.format(""), MODELS.format(", 'gpcm'"))
    _change_check("attempt", "ck_attempt_finish_reason", REASONS.format(""), REASONS.format(", 'all_items', 'submitted'"))
    with op.batch_alter_table("response") as response:
        response.drop_constraint(op.f("ck_response_score"), type_="check")
        response.alter_column("score", existing_type=sa.SmallInteger(), type_=sa.Double(), existing_nullable=False)
        response.create_check_constraint(op.f("ck_response_score"), "score >= 0 AND score <= 1")
    _judge()


def downgrade() -> None:
    """Refused where partial credit, or an end that only newer forms know, is stored: nothing is rounded away."""
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM response WHERE score NOT IN (0, 1)")):
        raise RuntimeError("partial credit is stored, which the schema before does not know")
    with op.batch_alter_table("response") as response:
        response.drop_constraint(op.f("ck_response_score"), type_="check")
        response.alter_column("score", existing_type=sa.Double(), type_=sa.SmallInteger(), existing_nullable=False)
        response.create_check_constraint(op.f("ck_response_score"), "score IN (0, 1)")
    _change_check("attempt", "ck_attempt_finish_reason", REASONS.format(", 'all_items', 'submitted'"), REASONS.format(""))
    _change_check("item_parameter", "ck_item_parameter_model", MODELS.format(", 'gpcm'"), MODELS.format(""))
    for table, name, _, _ in ADDED:
        op.drop_column(table, name)


def _change_check(table: str, name: str, old: str, new: str) -> None:
    """Puts another condition into a check of a table that others refer to.

    SQLite cannot make such a table anew while foreign keys are kept, and needs not: a check is in the schema's text alone
    (sqlite.org, lang_altertable, "Making Other Kinds Of Table Schema Changes").
    """
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        op.drop_constraint(op.f(name), table, type_="check")
        op.create_check_constraint(op.f(name), table, new)
        return
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = bind.execute(
        sa.text("UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = :table AND instr(sql, :old) > 0"),
        {"old": f"CHECK ({old})", "new": f"CHECK ({new})", "table": table},
    )
    bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = RESET")
    if changed.rowcount != 1:
        raise RuntimeError(f"the check {name} of {table} does not read as 0001 wrote it")


def _judge() -> None:
    """Gives each estimate its verdicts."""
    bind = op.get_bind()
    columns = (*map(sa.column, ("attempt_id", "domain", "n_items")), sa.column("p_levels", JSON), sa.column("verdicts", JSON))
    estimate = sa.table("ability_estimate", *columns)
    key = (estimate.c.attempt_id, estimate.c.domain)
    last: tuple[int, str] | None = None
    while rows := bind.execute(
        sa.select(*key, estimate.c.n_items, estimate.c.p_levels)
        .where(sa.true() if last is None else sa.tuple_(*key) > last)
        .order_by(*key)
        .limit(AT_ONCE)
    ).all():
        bind.execute(
            estimate.update()
            .where(estimate.c.attempt_id == sa.bindparam("attempt"), estimate.c.domain == sa.bindparam("area"))
            .values(verdicts=sa.bindparam("found")),
            [{"attempt": row.attempt_id, "area": row.domain, "found": [_verdict(p, row.n_items) for p in row.p_levels]} for row in rows],
        )
        last = (rows[-1].attempt_id, rows[-1].domain)


def _verdict(chance: float, n_items: int) -> str:
    if n_items and chance >= CONFIDENCE:
        return "met"
    return "not_met" if n_items and chance <= 1 - CONFIDENCE else "undecided"
