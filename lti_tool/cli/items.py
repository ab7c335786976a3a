"""`kaona items`: the bank, its forms, and how well they measure.

The commands that take files of scores need no installation: what is in the files is all that they know.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import click

import assessment.api as assessment
from kernel.langmap import text_in
from kernel.strictjson import loads
from lti_tool.cli.common import json_option, now, print_json, print_rows, transaction
from lti_tool.workflows import content

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
QUIET_SECONDS = 2.0
"""A run that is over by then shows no progress."""

DECIDED_Z = 1.645
"""Half width of the interval that must be clear of a cut: 5 in 100 on each side."""


@click.group()
def items() -> None:
    """The item bank and its test forms."""


@items.command("load-defaults")
def load_defaults() -> None:
    """Load all that comes with Kaona: frameworks, item bank, test form, catalogue of learning resources."""
    with transaction() as (db, _):
        report = content.load_defaults(db, now=now())
    click.echo(f"frameworks: {', '.join(view.id for view in report.frameworks)}")
    click.echo(f"items: {report.bank.n_new_items} new, {report.bank.n_new_versions} new versions, {report.bank.n_unchanged} unchanged")
    click.echo(f"form {report.form.key}: {report.form.uuid}")


@items.command("load")
@file_argument
def load_items(file: Path) -> None:
    """Load a bank from FILE: a changed item becomes a new version, an unchanged one stays."""
    with transaction() as (db, _):
        report = assessment.load_bank(db, loads(file.read_bytes()), now=now())
    click.echo(f"{report.n_new_items} new items, {report.n_new_versions} new versions, {report.n_unchanged} unchanged")


@items.command("load-form")
@file_argument
def load_form(file: Path) -> None:
    """Load a test form from FILE; a changed form becomes a new version."""
    with transaction() as (db, _):
        view = assessment.load_form(db, loads(file.read_bytes()), now=now())
    click.echo(f"{view.key}: {view.min_items} to {view.max_items} items over {len(view.domains)} areas; {view.uuid}")


@items.command("forms")
@click.option("--tenant", "tenant_key", required=True, help="The agency's code.")
@json_option
def list_forms(tenant_key: str, *, as_json: bool) -> None:
    """List the test forms that an agency may use."""
    from lti_tool.lti.tenants import get_tenant

    with transaction() as (db, settings):
        tenant = get_tenant(db, tenant_key)
        rows = [
            {
                "uuid": str(view.uuid),
                "key": view.key,
                "minutes": view.minutes,
                "items": f"{view.min_items}-{view.max_items}",
                "url": f"{settings.public_url}/open/assessment/{view.uuid}",
                "title": text_in("th", view.title),
            }
            for view in assessment.list_forms(db, tenant_id=tenant.id)
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["key", "minutes", "items", "title", "url"])


@items.command("calibrate")
@click.option(
    "--responses",
    required=True,
    type=EXISTING,
    help="CSV: a line of item names, then a line a person: 1, 0, partial credit, empty = not seen.",
)
@click.option("--model", required=True, type=click.Choice(["1pl", "2pl", "3pl", "gpcm"]), help="Response model.")
@json_option
def calibrate_items(responses: Path, model: str, *, as_json: bool) -> None:
    """Estimate item parameters from answers, by marginal maximum likelihood."""
    from assessment.calibration import calibrate
    from assessment.score_tables import read_responses

    table = read_responses(responses.read_bytes(), dichotomous=model != "gpcm")
    told = _progress()
    found = calibrate(table, model, progress=lambda number, change: told(f"iteration {number}: largest change {change:.2g}"))
    _tell_set_aside(found.set_aside, "left out, no parameters can be found")
    if as_json:
        print_json(asdict(found))
        return
    click.echo(f"{found.model}: {found.n_persons} persons, log likelihood {found.log_likelihood:.4f}, {found.iterations} iterations")
    print_rows([_rounded(asdict(item)) for item in found.items], ["item", "a", "b", "c", "se_a", "se_b", "n"])


@items.command("analyse")
@click.option("--responses", required=True, type=EXISTING, help="CSV: a line of item names, then a line a person.")
@click.option("--group", type=EXISTING, help="CSV: a heading, then a label a person, to compare groups item by item.")
@click.option("--reference", help="Label of the reference group; the first in alphabetical order without it.")
@click.option("--focal", help="Label of the focal group, where there are more than two.")
@click.option("--purify", is_flag=True, help="Match people again without the items that differ.")
@json_option
def analyse_items(responses: Path, group: Path | None, reference: str | None, focal: str | None, *, purify: bool, as_json: bool) -> None:
    """Show how hard items are, how well they tell people apart, and whether they favour a group."""
    from assessment.item_analysis import analyse
    from assessment.score_tables import read_groups, read_responses

    table = read_responses(responses.read_bytes())
    groups = read_groups(group.read_bytes(), n_persons=len(table.rows)) if group else ()
    for option, label in (("--reference", reference), ("--focal", focal)):
        if label is not None and label not in groups:
            raise click.BadParameter(f"nobody is in the group {label!r}", param_hint=option)
    if reference is not None and reference == focal:
        raise click.BadParameter("it is the reference group", param_hint="--focal")
    found = analyse(table, groups=groups, reference=reference, focal=focal, purify=purify)
    _tell_set_aside(found.set_aside, "counted in the totals, tells nobody apart")
    if as_json:
        print_json(asdict(found))
        return
    alpha, sem = (("-" if value is None else f"{value:.4f}") for value in (found.alpha, found.sem))
    compared = f", {found.focal} compared with {found.reference}" if found.focal else ""
    click.echo(f"{found.n_persons} persons, alpha {alpha}, SEM {sem}{compared}")
    columns = ["item", "facility", "discrimination", "point_biserial", "efficiency", "effective_weight", "n"]
    flat = [asdict(item) for item in found.items]
    rows = [_rounded(row | {f"dif_{name}": value for name, value in (row["dif"] or {}).items()}) for row in flat]
    print_rows(rows, columns + (["dif_mh_chi2", "dif_mh_delta", "dif_ets"] if found.focal else []))


@items.command("simulate")
@click.option("--bank", required=True, type=EXISTING, help="CSV with the columns item, a, b, c, domain.")
@click.option("--examinees", required=True, type=click.IntRange(2, 1_000_000), help="How many, with abilities from N(0, 1).")
@click.option("--seed", required=True, type=int, help="The same seed gives the same people and answers.")
@click.option("--blueprint", type=EXISTING, help='JSON: {"shares": {domain: share}, "min": {...}, "max": {...}}.')
@click.option("--max-exposure", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Highest share of tests with the same item.")
@click.option(
    "--stop-se", type=click.FloatRange(0, min_open=True), help="Stop at this standard error; 0.30 where neither it nor a cut is given."
)
@click.option("--cut", type=float, help="Stop as soon as the interval is clear of this ability.")
@click.option("--min-items", type=click.IntRange(1), default=5, show_default=True, help="Items that everybody gets.")
@click.option("--max-items", type=click.IntRange(1), help="Items that nobody exceeds; 50, or 40 where a cut alone ends the test.")
@click.option("--randomesque", type=click.IntRange(1), help="Best items to draw one from; 3 with an exposure cap, else 1.")
@json_option
def simulate_tests(  # noqa: PLR0917  options, by their names
    bank: Path,
    examinees: int,
    seed: int,
    blueprint: Path | None,
    max_exposure: float,
    stop_se: float | None,
    cut: float | None,
    min_items: int,
    max_items: int | None,
    randomesque: int | None,
    *,
    as_json: bool,
) -> None:
    """Let made-up people sit an adaptive test from a bank, and show how long and how exact it is."""
    from assessment.blueprint import DomainRule
    from assessment.cat import Pool, PoolItem
    from assessment.score_tables import read_bank, read_blueprint
    from assessment.simulate import decisions, report, simulate
    from assessment.sitting import Rules
    from assessment.stopping import StoppingRule

    rows = read_bank(bank.read_bytes())
    domains = sorted({row.domain for row in rows}) if blueprint else [""]
    shares = read_blueprint(blueprint.read_bytes(), domains=domains) if blueprint else {"": DomainRule()}
    longest = max_items or (50 if cut is None or stop_se is not None else 40)
    n_candidates = randomesque or (1 if max_exposure >= 1 else 3)
    is_by_cut = cut is not None
    pool = Pool([PoolItem(row.params, domains.index(row.domain) if blueprint else 0) for row in rows], len(domains))
    rules = Rules(
        domains=tuple(shares[domain] for domain in domains),
        stopping=StoppingRule(min(min_items, longest), longest, stop_se or (0.0 if is_by_cut else 0.30), DECIDED_Z if is_by_cut else None),
        scales=(0,) * len(domains),
        cuts=((cut,) if cut is not None else (),),
        randomesque_first=n_candidates,
        randomesque_later=n_candidates,
        r_max=max_exposure,
    )
    told = _progress()
    done = simulate(pool, rules, n=examinees, seed=seed, progress=lambda n: told(f"{n} of {examinees} examinees"))
    found = report(pool, rules, done)
    figures: dict[str, Any] = {
        "items_mean": found.mean_items,
        "items_p95": found.p95_items,
        "rmse": found.rmse,
        "bias": found.bias,
        "max_exposure": found.max_exposure,
        "unused_share": found.n_never_used / len(rows),
        "overlap_mean": found.overlap,
        "blueprint_deviation_max": found.blueprint_distance,
        "decisions": {"right": None, "undecided": None} if cut is None else asdict(decisions(done, cut, DECIDED_Z)),
    }
    if as_json:
        print_json(figures)
    else:
        flat = figures | {f"decisions_{name}": value for name, value in figures.pop("decisions").items()}
        print_rows([{"figure": name, "value": value} for name, value in _rounded(flat).items()], ["figure", "value"])


@items.command("score")
@click.option("--bank", required=True, type=EXISTING, help="CSV with the columns item, a, b, c, domain.")
@click.option("--responses", required=True, type=EXISTING, help="CSV: a line of item names, then a line a person: 1, 0, empty = not seen.")
@json_option
def score_persons(bank: Path, responses: Path, *, as_json: bool) -> None:
    """Estimate abilities from answers and known parameters: EAP and MAP with prior N(0, 1), and Warm's estimate."""
    from assessment.estimation import estimate, most_likely, warm
    from assessment.score_tables import known_items, read_bank, read_responses

    params = {row.item: row.params for row in read_bank(bank.read_bytes())}
    table = read_responses(responses.read_bytes(), dichotomous=True)
    items_ = known_items(table, params)
    told = _progress()
    persons = []
    for number, row in enumerate(table.rows, 1):
        answers = [(item, score == 1) for item, score in zip(items_, row, strict=True) if score >= 0]
        ability = estimate(answers)
        persons.append({"eap": ability.theta, "sd": ability.sd, "wle": warm(answers), "map": most_likely(answers)})
        told(f"{number} of {len(table.rows)} persons")
    if as_json:
        print_json({"persons": persons})
    else:
        print_rows([{"row": number} | _rounded(person) for number, person in enumerate(persons, 1)], ["row", "eap", "sd", "wle", "map"])


@items.command("replay")
@click.argument("attempt", type=click.UUID)
@json_option
def replay_attempt(attempt: UUID, *, as_json: bool) -> None:
    """Compute a stored attempt again from what it pins; exit 1 when anything differs from what is stored."""
    with transaction() as (db, _):
        found = assessment.replay(db, attempt)
    if as_json:
        print_json(asdict(found))
    else:
        click.echo(f"{found.form} version {found.form_version}, {len(found.answers)} answers, end: {found.finish_reason or 'still open'}")
        print_rows([_rounded(asdict(answer)) for answer in found.answers], ["position", "item", "version", "is_right", "theta", "se"])
        click.echo("every pick and estimate is as stored" if not found.differences else f"{len(found.differences)} differences")
    for difference in found.differences:
        click.echo(difference, err=True)
    if found.differences:
        raise click.exceptions.Exit(1)


def _progress() -> Callable[[str], None]:
    """Shows where a long run stands, on standard error, at most once a second."""
    next_at = time.monotonic() + QUIET_SECONDS

    def tell(where: str) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            click.echo(where, err=True)
            next_at = time.monotonic() + 1

    return tell


def _tell_set_aside(set_aside: Any, what: str) -> None:
    reasons = {"all_right": "everybody was right", "all_wrong": "everybody was wrong", "not_seen": "nobody saw it"}
    for item, reason in set_aside.items():
        click.echo(f"column {item}: {reasons[reason]}; {what}", err=True)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
