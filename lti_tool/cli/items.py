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
from lti_tool.cli.calibrations import apply_run, calibrate_form, form_option, list_drift, list_runs
from lti_tool.cli.common import json_option, now, open_installation, print_json, print_rows, rounded, transaction
from lti_tool.workflows import content

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
BANK_COLUMNS = "CSV with the columns item, a, b, c, domain; steps, or step1, step2 ..., for partial credit; testlet; enemies."
QUIET_SECONDS = 2.0
"""A run that is over by then shows no progress."""

LEFT_OUT = {
    "sparse": "people saw too different items",
    "few_people": "too few people for a model",
    "not_converged": "no model could be fitted",
    "nothing_to_calibrate": "too few items have answers that differ",
}
"""Why a figure of an analysis is not there."""

DECIDED = 0.95
"""P(theta >= cut), or P(theta < cut), that a verdict needs."""


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
        told = assessment.form_information(db, view.uuid)
    click.echo(f"{view.key}: {view.min_items} to {view.max_items} items over {len(view.domains)} areas; {view.uuid}")
    if told:
        lists: dict[int, dict[str, Any]] = {}
        for one in told:
            lists.setdefault(one.form, {"list": one.form})[f"{one.domain} {one.level}"] = round(one.information, 3)
        click.echo("information at the cut of each area and level:")
        print_rows(list(lists.values()), list(lists[1]))
        difference, share = assessment.largest_difference(told)
        click.echo(f"largest difference between two lists: {difference:.3f}, {share:.1%} of the mean")


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
@click.option("--responses", type=EXISTING, help="CSV: a line of item names, then a line a person: 1, 0, partial credit, empty = not seen.")
@form_option
@click.option(
    "--model",
    type=click.Choice(["1pl", "2pl", "3pl", "gpcm"]),
    help="Response model; of stored answers that of items with answers enough for it.  [with --form: 2pl]",
)
@click.option("--pilots", is_flag=True, help="Of stored answers: hold live items as they are, and calibrate those that are tried out.")
@click.option("--later", is_flag=True, help="Of stored answers: let the worker do it.")
@json_option
def calibrate_items(responses: Path | None, form_key: str | None, model: str | None, *, pilots: bool, later: bool, as_json: bool) -> None:
    """Estimate item parameters from answers, by marginal maximum likelihood.

    Answers come from a file, or from the stored sittings of a form: then what would change is kept as a run, and nothing changes until
    the run is applied.
    """
    if (responses is None) == (form_key is None):
        raise click.UsageError("give --responses FILE or --form KEY")
    if form_key is not None:
        if model == "gpcm":
            raise click.BadParameter("items with partial credit get it by themselves", param_hint="--model")
        calibrate_form(form_key, model or "2pl", pilots_only=pilots, later=later, as_json=as_json, tell=_progress())
        return
    if model is None or pilots or later or responses is None:
        raise click.UsageError("--responses needs --model, and takes neither --pilots nor --later")
    from assessment.calibration import calibrate
    from assessment.score_tables import read_responses

    table = read_responses(responses.read_bytes(), dichotomous=model != "gpcm")
    told = _progress()
    found = calibrate(table, model, progress=lambda number, change: told(f"iteration {number}: largest change {change:.2g}"))
    _tell_set_aside(found.set_aside, "left out, no parameters can be found")
    for item, scores in found.recoded.items():
        click.echo(f"column {item}: scores {', '.join(f'{score:g}' for score in scores)} were taken as 0 to {len(scores) - 1}", err=True)
    if as_json:
        print_json(asdict(found))
        return
    click.echo(f"{found.model}: {found.n_persons} persons, log likelihood {found.log_likelihood:.4f}, {found.iterations} iterations")
    print_rows([rounded(asdict(item)) for item in found.items], ["item", "a", "b", "c", "se_a", "se_b", "n"])


@items.command("analyse")
@click.option("--responses", required=True, type=EXISTING, help="CSV: a line of item names, then a line a person.")
@click.option("--group", type=EXISTING, help="CSV: a heading, then a label a person, to compare groups item by item.")
@click.option("--reference", help="Label of the reference group; the first in alphabetical order without it.")
@click.option("--focal", help="Label of the focal group, where there are more than two.")
@click.option("--purify", is_flag=True, help="Match people again without the items that differ.")
@click.option("--answers", type=EXISTING, help="CSV shaped as the responses: what was answered, for the distractors; needs --key.")
@click.option("--key", type=EXISTING, help="CSV with the columns item and key: the right answers, one a line.")
@click.option("--fit-model", type=click.Choice(["1pl", "2pl", "3pl"]), default="2pl", show_default=True, help="Model of S-X2.")
@json_option
def analyse_items(  # noqa: PLR0917  options, by their names
    responses: Path,
    group: Path | None,
    reference: str | None,
    focal: str | None,
    answers: Path | None,
    key: Path | None,
    fit_model: str,
    *,
    purify: bool,
    as_json: bool,
) -> None:
    """Show how hard items are, how well they tell people apart, whether they fit a model, and whether they favour a group."""
    from assessment.item_analysis import Answers, analyse
    from assessment.score_tables import read_answers, read_groups, read_keys, read_responses

    if (answers is None) != (key is None):
        raise click.UsageError("--answers and --key belong together")
    table = read_responses(responses.read_bytes())
    groups = read_groups(group.read_bytes(), n_persons=len(table.rows)) if group else ()
    for option, label in (("--reference", reference), ("--focal", focal)):
        if label is not None and label not in groups:
            raise click.BadParameter(f"nobody is in the group {label!r}", param_hint=option)
    if reference is not None and reference == focal:
        raise click.BadParameter("it is the reference group", param_hint="--focal")
    given = None
    if answers and key:
        given = Answers(read_answers(answers.read_bytes(), table), read_keys(key.read_bytes(), items=table.items))
    found = analyse(
        table, groups=groups, reference=reference, focal=focal, purify=purify, fit_model=fit_model, answers=given, told=_progress()
    )
    _tell_set_aside(found.set_aside, "counted in the totals, tells nobody apart")
    for figure, reason in found.left_out.items():
        click.echo(f"{figure}: left out, {LEFT_OUT[reason]}", err=True)
    if as_json:
        whole = asdict(found)
        print_json(whole | {"items": [_as_told(item) for item in whole["items"]]})
        return
    alpha, sem, reliability = (("-" if value is None else f"{value:.4f}") for value in (found.alpha, found.sem, found.reliability))
    compared = f", {found.focal} compared with {found.reference}, matched by {found.matched_by}" if found.focal else ""
    click.echo(f"{found.n_persons} persons, alpha {alpha}, SEM {sem}, reliability of ability {reliability}{compared}")
    flat = [rounded(_flat(asdict(item))) for item in found.items]
    columns = [
        "item",
        "facility",
        "discrimination",
        "point_biserial",
        "efficiency",
        "effective_weight",
        "infit",
        "outfit",
        "s_x2",
        "df",
        "p",
    ]
    print_rows(flat, [*columns, "n"] + (["mh_chi2", "mh_delta", "ets", "p_difference", "lr_p", "lr_size"] if found.focal else []))
    for item in found.items if given else ():
        click.echo(f"\n{item.item}")
        rows = [rounded({**asdict(one), **{f"fifth {n}": share for n, share in enumerate(one.by_fifth, 1)}}) for one in item.distractors]
        print_rows(rows, ["option", "is_key", "share", "correlation", *(f"fifth {n}" for n in range(1, 6)), "n"])


@items.command("analyses")
@click.option("--form", "form_key", help="Key of one form; all without it.")
@click.option("--tenant", "tenant_key", help="One agency's answers; everybody's without it.")
@click.option("--rebuild", is_flag=True, help="Drop all stored analyses first; those of courses come back when asked for.")
@json_option
def stored_analyses(form_key: str | None, tenant_key: str | None, *, rebuild: bool, as_json: bool) -> None:
    """Compute now, from the stored answers, what the pages of item analysis show."""
    from lti_tool.jobs import item_analysis
    from lti_tool.lti.tenants import get_tenant

    _, database = open_installation()
    try:
        with database.transaction() as db:
            scope = assessment.agency(get_tenant(db, tenant_key).id) if tenant_key else assessment.EVERYBODY
            forms = assessment.list_form_keys(db)
            if rebuild:
                assessment.forget_analyses(db)
        if form_key is not None and form_key not in forms:
            raise click.BadParameter(f"there is no form {form_key}", param_hint="--form")
        rows = []
        for key in [form_key] if form_key else sorted(forms):
            n = item_analysis.compute(database, forms[key], scope, clock=now)
            with database.reading() as db:
                is_open = assessment.list_item_reviews(db, scope, form_uuid=forms[key], is_open=True)
            rows.append({"form": key, "scope": scope.name, "persons": n, "open_reviews": len(is_open)})
    finally:
        database.dispose()
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ["form", "scope", "persons", "open_reviews"])


@items.command("decisions")
@click.option("--bank", required=True, type=EXISTING, help=BANK_COLUMNS)
@click.option("--cut", "cuts", required=True, multiple=True, type=float, help="Where a level begins, logits; once for each level.")
@click.option("--items", "named", help="Names of the form's items, separated by commas; all of the bank without it.")
@click.option("--se", type=click.FloatRange(0, min_open=True), help="Standard error at which an adaptive test stops, logits.")
@click.option("--estimates", type=EXISTING, help="CSV with the columns theta and se: the people whom an adaptive test has estimated.")
@json_option
def decision_quality(
    bank: Path, cuts: tuple[float, ...], named: str | None, se: float | None, estimates: Path | None, *, as_json: bool
) -> None:
    """Show how often decisions by cuts are right, and how often two tests alike would decide alike."""
    from assessment.decision_quality import lee, rudner, rudner_of_error, rudner_of_test
    from assessment.score_tables import read_bank, read_estimates

    rising = sorted(set(cuts))
    rows = {row.item: row.params for row in read_bank(bank.read_bytes())}
    wanted = [name.strip() for name in named.split(",")] if named else list(rows)
    if missing := [name for name in wanted if name not in rows]:
        raise click.BadParameter(f"the bank has no item {', '.join(missing)}", param_hint="--items")
    chosen = [rows[name] for name in dict.fromkeys(wanted)]
    found = {"lee": lee(chosen, rising), "rudner": rudner_of_test(chosen, rising)}
    if se is not None:
        found["rudner_at_se"] = rudner_of_error(se, rising)
    if estimates is not None:
        people = read_estimates(estimates.read_bytes())
        found["rudner_of_people"] = rudner([theta for theta, _ in people], [error for _, error in people], rising)
    if as_json:
        print_json({"cuts": rising, "n_items": len(chosen), **{name: asdict(one) for name, one in found.items()}})
    else:
        rows_ = [{"method": name.replace("_", " "), **rounded(asdict(one))} for name, one in found.items()]
        print_rows(rows_, ["method", "accuracy", "consistency", "kappa", "raw_cuts"])


@items.command("simulate")
@click.option("--bank", required=True, type=EXISTING, help=BANK_COLUMNS)
@click.option("--examinees", required=True, type=click.IntRange(2, 1_000_000), help="How many, with abilities from N(0, 1).")
@click.option("--seed", required=True, type=int, help="The same seed gives the same people and answers.")
@click.option("--blueprint", type=EXISTING, help='JSON: {"shares": {domain: share}, "min": {...}, "max": {...}}.')
@click.option("--max-exposure", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Highest share of tests with the same item.")
@click.option(
    "--stop-se", type=click.FloatRange(0, min_open=True), help="Stop at this standard error; 0.30 where neither it nor a cut is given."
)
@click.option("--cut", type=float, help="Stop as soon as it is 95 % sure on which side of this ability a person is.")
@click.option("--min-items", type=click.IntRange(1), default=5, show_default=True, help="Items that everybody gets.")
@click.option("--max-items", type=click.IntRange(1), help="Items that nobody exceeds; 50, or 40 where a cut alone ends the test.")
@click.option("--progressive", type=click.IntRange(0), help="Items over which information replaces chance; 5 with a cap, else 0.")
@click.option("--randomesque", type=click.IntRange(1), help="Best items to draw one from; 2 with an exposure cap, else 1.")
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
    progressive: int | None,
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
    is_capped = max_exposure < 1
    n_candidates = randomesque or (2 if is_capped else 1)
    is_by_cut = cut is not None
    places = {row.item: place for place, row in enumerate(rows)}
    testlets: dict[str, list[int]] = {}
    enemies: list[set[int]] = [set() for _ in rows]
    for place, row in enumerate(rows):
        if row.testlet:
            testlets.setdefault(row.testlet, []).append(place)
        for enemy in map(places.__getitem__, row.enemies):
            enemies[place].add(enemy)
            enemies[enemy].add(place)
    pool = Pool(
        [
            PoolItem(row.params, domains.index(row.domain) if blueprint else 0, frozenset(own))
            for row, own in zip(rows, enemies, strict=True)
        ],
        len(domains),
        [members for members in testlets.values() if len(members) > 1],
    )
    rules = Rules(
        domains=tuple(shares[domain] for domain in domains),
        stopping=StoppingRule(
            min(min_items, longest), longest, stop_se or (0.0 if is_by_cut else 0.30), confidence=DECIDED if is_by_cut else None
        ),
        scales=(0,) * len(domains),
        cuts=((cut,) if cut is not None else (),),
        randomesque_first=n_candidates,
        randomesque_later=n_candidates,
        r_max=max_exposure,
        progressive_items=progressive if progressive is not None else 5 * is_capped,
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
        "decisions": {"right": None, "undecided": None} if cut is None else asdict(decisions(done, cut, DECIDED)),
    }
    if as_json:
        print_json(figures)
    else:
        flat = figures | {f"decisions_{name}": value for name, value in figures.pop("decisions").items()}
        print_rows([{"figure": name, "value": value} for name, value in rounded(flat).items()], ["figure", "value"])


@items.command("score")
@click.option("--bank", required=True, type=EXISTING, help=BANK_COLUMNS)
@click.option(
    "--responses",
    required=True,
    type=EXISTING,
    help="CSV: a line of item names, then a line a person: 1, 0, points of partial credit, empty = not seen.",
)
@json_option
def score_persons(bank: Path, responses: Path, *, as_json: bool) -> None:
    """Estimate abilities from answers and known parameters: EAP and MAP with prior N(0, 1), and Warm's estimate."""
    from assessment.estimation import estimate, most_likely, warm
    from assessment.score_tables import known_items, read_bank, read_responses

    params = {row.item: row.params for row in read_bank(bank.read_bytes())}
    table = read_responses(responses.read_bytes())
    items_ = known_items(table, params)
    told = _progress()
    persons = []
    for number, row in enumerate(table.rows, 1):
        answers = [(item, int(score)) for item, score in zip(items_, row, strict=True) if score >= 0]
        ability = estimate(answers)
        persons.append({"eap": ability.theta, "sd": ability.sd, "wle": warm(answers), "map": most_likely(answers)})
        told(f"{number} of {len(table.rows)} persons")
    if as_json:
        print_json({"persons": persons})
    else:
        print_rows([{"row": number} | rounded(person) for number, person in enumerate(persons, 1)], ["row", "eap", "sd", "wle", "map"])


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
        print_rows([rounded(asdict(answer)) for answer in found.answers], ["position", "item", "version", "score", "theta", "se"])
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
    reasons = {
        "all_right": "everybody was right",
        "all_wrong": "everybody was wrong",
        "all_same": "everybody has the same score",
        "not_seen": "nobody saw it",
        "flat": "right answers do not grow with ability (a wrong key?)",
        "steep": "its slope grows without end (too few answers, or they follow from others)",
    }
    for item, reason in set_aside.items():
        click.echo(f"column {item}: {reasons[reason]}; {what}", err=True)


def _as_told(item: dict[str, Any]) -> dict[str, Any]:
    """One item of an analysis as scripts get it: `dif` is Mantel-Haenszel alone, what else compares the groups is `dif_more`."""
    dif = item["dif"]
    if dif is None:
        return item | {"dif_more": None}
    told = {name: dif.pop(name) for name in ("mh_chi2", "mh_alpha", "mh_delta", "ets")}
    return item | {"dif": told, "dif_more": dif}


def _flat(item: dict[str, Any]) -> dict[str, Any]:
    """One item of an analysis as a line of a table."""
    dif, fit, score_fit = (item[name] or {} for name in ("dif", "fit", "s_x2"))
    logistic = dif.get("logistic") or {}
    return item | fit | {"s_x2": None, **score_fit} | dif | {"lr_p": logistic.get("p"), "lr_size": logistic.get("size")}


for _command in (list_runs, apply_run, list_drift):
    items.add_command(_command)
