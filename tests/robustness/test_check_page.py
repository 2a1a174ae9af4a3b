"""A check's page in a real Chromium: a desk shows all columns, a phone scrolls within tables of changes.

Screenshots go to $SER_TL_SCREENSHOTS, if that is set.
"""

from dataclasses import replace

import pytest

from ser_tl.inference import Predictor
from ser_tl.robustness import Change, Limits, check, make_suite
from ser_tl.robustness.check_page import format_page
from tests.robustness.test_check import Listener, sample
from tests.serving import chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """The page of a check whose names and answers are as long as those of the real suite and of real emotions."""
    folder = tmp_path_factory.mktemp("check_page")
    longest = max((change.name for change in make_suite()), key=len)
    quieter = Change(longest, "recording", lambda clip, draws: 0.5 * clip, Limits(fall=0.0, unchanged=1.0))
    result = check(Predictor(Listener(whole=True)), sample(), [quieter])
    failed = replace(result.rows[0], uar=0.0, difference=-1.0, low=-1.0, high=-0.995, answers=("sadness", "happiness"))
    page = format_page(replace(result, model="a/model/of/a/rather/long/name" * 3, rows=[failed]), sample(), [quieter])
    (folder / "check.html").write_text(page)
    with chromium.Browser(folder) as found:
        found.resize(1200, 900)
        found.open(f"file://{folder / 'check.html'}")
        yield found


def test_all_columns_are_in_view_and_no_header_covers_another(browser):
    browser.photograph("check.png")
    assert browser.evaluate("document.querySelectorAll('table.changes').length") == 1
    assert browser.evaluate("[...document.querySelectorAll('.wide')].every(box => box.scrollWidth <= box.clientWidth)")
    assert browser.evaluate(
        "[...document.querySelectorAll('th, td')].every(cell => cell.scrollWidth <= cell.clientWidth)"
    )
    assert browser.complaints() == []


def test_a_phone_scrolls_the_tables_of_changes_alone_and_keeps_the_names_in_view(browser):
    browser.resize(390, 800, mobile=True)
    browser.evaluate("document.querySelector('.changes').parentElement.scrollLeft = 400")
    browser.photograph("check_phone.png")
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    others = "[...document.querySelectorAll('.wide')].filter(box => !box.querySelector('.changes'))"
    assert browser.evaluate(f"{others}.every(box => box.scrollWidth <= box.clientWidth)")
    assert browser.evaluate("document.querySelector('.changes').parentElement.scrollLeft") == 400
    assert browser.evaluate("document.querySelector('.changes td').getBoundingClientRect().left") < 40
