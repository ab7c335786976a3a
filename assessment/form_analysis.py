"""What stored answers say of a form's items: the document that pages read. Pure; needs numpy, so the worker alone computes it.

Each area of a form is an ability of its own, and so a test of its own here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from assessment.answer_tables import AnsweredItem, AnswerTable
from assessment.decision_quality import rudner
from assessment.flags import flags_of
from assessment.item_analysis import Answers, Sheet, analyse
from assessment.score_tables import NOT_SEEN, Responses

MIN_GROUP: Final = 50
"""People that a label needs, and that everybody else needs too, to be compared."""


def analysis_document(table: AnswerTable, moved: Mapping[int, tuple[float, float]] | None = None) -> dict[str, Any]:
    """All figures of a form, as JSON values.

    moved     item versions whose difficulty has drifted by the newest calibration: robust z, and the change in logits
    Returns   `groups`: attribute to label to number of people; `domains`: a list of tests, each with `code`, its figures and `items`,
              each with `uuid`, `key`, `version`, its figures, `groups` (attribute, label, `dif`), `drift` and `flags`
    """
    domains = sorted({item.domain for item in table.items})
    return {
        "groups": {
            attribute: dict(sorted(Counter(label for label in labels if label).items())) for attribute, labels in table.labels.items()
        },
        "domains": [_domain(table, code, [item for item in table.items if item.domain == code], moved or {}) for code in domains],
    }


def compared_labels(labels: tuple[str, ...]) -> list[str]:
    """Labels that are compared with everybody else who has one; of two, the smaller group alone, for the other says the same."""
    counts = Counter(label for label in labels if label)
    n = sum(counts.values())
    enough = sorted(label for label, count in counts.items() if count >= MIN_GROUP and n - count >= MIN_GROUP)
    return [min(enough, key=lambda label: (counts[label], label))] if len(counts) == 2 and enough else enough  # noqa: PLR2004


def _domain(table: AnswerTable, code: str, items: list[AnsweredItem], moved: Mapping[int, tuple[float, float]]) -> dict[str, Any]:
    ids = [item.version_id for item in items]
    people = [place for place, scores in enumerate(table.scores) if any(one in scores for one in ids)]
    responses = Responses(
        tuple(item.name for item in items),
        tuple(tuple(table.scores[place].get(one, NOT_SEEN) for one in ids) for place in people),
    )
    answers = Answers(
        tuple(tuple(table.answers[place].get(one, "") for one in ids) for place in people),
        {item.name: item.keys for item in items if item.keys},
    )
    sheet = Sheet(responses, {item.name: item.params for item in items}, on_trial={item.name for item in items if item.is_pilot})
    found = analyse(responses, answers=answers, highest={item.name: 1.0 for item in items}, sheet=sheet)
    groups: list[list[dict[str, Any]]] = [[] for _ in items]
    for attribute, labels in table.labels.items():
        here = tuple(labels[place] for place in people)
        for label in compared_labels(here):
            for place, dif in enumerate(sheet.compare(here, None, label)):
                if dif is not None and min(dif.n_focal, dif.n_reference) >= MIN_GROUP:
                    groups[place].append({"attribute": attribute, "label": label, "dif": asdict(dif)})
    rows = []
    for item, figures, compared in zip(items, found.items, groups, strict=True):
        names = {
            "uuid": str(item.uuid), "key": item.key, "version": item.n, "version_id": item.version_id, "kind": item.kind,
            "is_pilot": item.is_pilot,
        }  # fmt: skip
        drift = moved.get(item.version_id)
        row = asdict(figures) | names | {"groups": compared, "drift": {"z": drift[0], "change_b": drift[1]} if drift else None}
        rows.append(row | {"flags": flags_of(row)})
    estimates, cuts = table.estimates.get(code, ()), table.cuts.get(code, ())
    decisions = asdict(rudner([theta for theta, _ in estimates], [se for _, se in estimates], cuts)) if estimates and cuts else None
    whole = {name: value for name, value in asdict(found).items() if name not in {"items", "reference", "focal"}}
    return {"code": code, **whole, "decisions": decisions, "items": rows}
