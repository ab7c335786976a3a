"""Rules of admission as values: windows, numbers, networks, and what Safe Exam Browser proves."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from assessment.admission import (
    AdmissionRules,
    BrowserProof,
    Hindrance,
    Past,
    SafeExamBrowser,
    Visit,
    check_place,
    exam_hash,
    find_hindrance,
    is_proved,
    is_within,
    read_rules,
)
from assessment.errors import AdmissionInvalid, NetworkRefused, SafeExamBrowserNeeded

NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = hashlib.sha256(b'{"allowQuit":false}').hexdigest()
URL = "https://tool.example.go.th/learn/1/assessment/2"


@pytest.mark.parametrize(
    ("rules", "past", "hindrance"),
    [
        ({}, Past(n_used=99, last_ended_at=NOW), None),
        ({"opens_at": NOW + HOUR}, Past(), Hindrance("not_yet_open", NOW + HOUR)),
        ({"opens_at": NOW}, Past(), None),
        ({"closes_at": NOW + HOUR}, Past(), None),
        ({"closes_at": NOW}, Past(), Hindrance("closed", NOW)),
        ({"attempts": 2}, Past(n_used=1), None),
        ({"attempts": 2}, Past(n_used=2), Hindrance("used_up")),
        ({"days_between": 7}, Past(n_used=1, last_ended_at=NOW - 6 * 24 * HOUR), Hindrance("too_soon", NOW + 24 * HOUR)),
        ({"days_between": 7}, Past(n_used=1, last_ended_at=NOW - 7 * 24 * HOUR), None),
        ({"days_between": 7}, Past(), None),
        ({"attempts": 1, "closes_at": NOW}, Past(n_used=1), Hindrance("closed", NOW)),
    ],
)
def test_the_first_rule_in_the_way_is_told(rules: dict[str, object], past: Past, hindrance: Hindrance | None):
    assert find_hindrance(read_rules(rules), past, NOW) == hindrance


def test_the_platforms_times_narrow_the_window_and_never_widen_it():
    rules = AdmissionRules(opens_at=NOW, closes_at=NOW + 5 * HOUR)

    assert rules.within(NOW - HOUR, NOW + 9 * HOUR) == rules
    assert rules.within(NOW + HOUR, NOW + 2 * HOUR) == AdmissionRules(opens_at=NOW + HOUR, closes_at=NOW + 2 * HOUR)
    assert AdmissionRules().within(None, NOW).closes_at == NOW


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"attempts": 0}, "attempts"),
        ({"attempts": "two"}, "attempts"),
        ({"days_between": -1}, "days_between"),
        ({"opens_at": "2026-11-22T09:00:00"}, "opens_at"),
        ({"opens_at": NOW, "closes_at": NOW}, "closes_at"),
        ({"code": "secret"}, "code"),
        ({"networks": ["10.0.0.0/8", "10.0.0.0/33"]}, "networks[1]"),
        ({"networks": ["all"]}, "networks[0]"),
        ({"seb": {"config_keys": ["abc"]}}, "seb.config_keys[0]"),
        ({"attempt": 1}, "attempt"),
    ],
)
def test_rules_that_make_no_sense_are_refused_with_their_place(document: dict[str, object], place: str):
    with pytest.raises(AdmissionInvalid) as refused:
        read_rules(document)

    assert [fault.place for fault in refused.value.faults] == [place]


def test_a_times_zone_is_kept_in_its_moment():
    assert read_rules({"opens_at": "2026-11-22T09:30:00+07:00"}).opens_at == NOW


@pytest.mark.parametrize(
    ("address", "network", "is_in"),
    [
        ("10.4.255.1", "10.4.0.0/16", True),
        ("10.5.0.1", "10.4.0.0/16", False),
        ("::ffff:10.4.0.9", "10.4.0.0/16", True),
        ("203.0.113.7", "203.0.113.7", True),
        ("2001:db8:0:1::5", "2001:db8::/32", True),
        ("2001:db9::5", "2001:db8::/32", False),
        ("fe80::1%eth0", "fe80::/10", True),
        ("10.4.0.1", "2001:db8::/32", False),
        ("", "0.0.0.0/0", False),
        ("unix:", "0.0.0.0/0", False),
    ],
)
def test_an_address_is_judged_by_its_network(address: str, network: str, is_in: bool):
    assert is_within(address, read_rules({"networks": [network]}).networks) is is_in


def test_the_hash_of_safe_exam_browser_is_sha256_of_address_and_key():
    # by the formula of its developer documentation, computed with the tool sha256sum:
    # printf %s https://tool.example.go.th/x81aad4ab9dfd447cc479e6a4a7c9a544e2cafc7f3adeb68b2a21efad68eca4dc | sha256sum
    key = "81aad4ab9dfd447cc479e6a4a7c9a544e2cafc7f3adeb68b2a21efad68eca4dc"

    assert exam_hash("https://tool.example.go.th/x", key) == "9dd11ea9460cdbc449bcfe408d8892332acce66081fdf2869af0a4452adbdda2"
    assert exam_hash("https://tool.example.go.th/x#item", key) == exam_hash("https://tool.example.go.th/x", key)
    assert exam_hash("https://tool.example.go.th/y", key) != exam_hash("https://tool.example.go.th/x", key)


def test_of_each_list_with_keys_one_must_be_known():
    old, new, exam = "a" * 64, "b" * 64, "c" * 64
    knows_new = BrowserProof(URL, config_hash=exam_hash(URL, new).upper())
    knows_both = BrowserProof(URL, exam_hash(URL, old), exam_hash(URL, exam))

    assert is_proved(SafeExamBrowser(config_keys=[old, new]), [knows_new])
    assert not is_proved(SafeExamBrowser(config_keys=[old]), [knows_new])
    assert not is_proved(SafeExamBrowser(config_keys=[old, new], exam_keys=[exam]), [knows_new])
    assert is_proved(SafeExamBrowser(config_keys=[old, new], exam_keys=[exam]), [knows_both])
    assert not is_proved(SafeExamBrowser(exam_keys=[exam]), [])
    assert not is_proved(SafeExamBrowser(exam_keys=[exam]), [BrowserProof(URL, exam_hash="ไม่ใช่")])


def test_a_place_is_judged_network_first_and_a_known_browser_need_not_prove_itself_to_read():
    rules = read_rules({"networks": ["10.0.0.0/8"], "seb": {"config_keys": [KEY]}})
    here = Visit("10.1.2.3", (BrowserProof(URL, exam_hash(URL, KEY)),))

    check_place(rules, here)
    check_place(rules, Visit("10.1.2.3"), is_known=True)
    with pytest.raises(NetworkRefused):
        check_place(rules, Visit("192.0.2.1", here.proofs), is_known=True)
    with pytest.raises(SafeExamBrowserNeeded):
        check_place(rules, Visit("10.1.2.3"))
    with pytest.raises(NetworkRefused):
        check_place(rules, None)
    check_place(AdmissionRules(), None)
