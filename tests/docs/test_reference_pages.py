import re
from pathlib import Path

import pytest

from lti_tool import reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("requirements/*.md")])


def test_the_settings_page_says_what_the_code_says():
    assert (ROOT / "docs/settings.md").read_text() == reference.settings_page(), "run: python -m lti_tool.reference"


def test_the_commands_page_says_what_the_code_says():
    assert (ROOT / "docs/commands.md").read_text() == reference.commands_page(), "run: python -m lti_tool.reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name} links to {target}"
        if anchor and place.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", place.read_text(), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name} links to {target}"


def test_no_page_names_a_path_of_a_machine():
    for page in PAGES:
        assert not re.search(r"/(home|root|work|Users)/\w", page.read_text()), page
