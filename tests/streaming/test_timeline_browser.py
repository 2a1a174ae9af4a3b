"""A timeline's page in a real Chromium: everything is drawn, nothing is fetched, and a phone can show it.

Screenshots go to $SER_TL_SCREENSHOTS, if that is set.
"""

import numpy as np
import pytest
import soundfile

from ser_tl.streaming import build_timeline
from ser_tl.streaming.spectrogram import measure_spectrogram
from ser_tl.streaming.timeline_page import format_page
from tests.serving import chromium
from tests.streaming.sounds import RATE, LevelSession, pause, voiced

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("timeline_page")


@pytest.fixture(scope="module")
def timeline(folder):
    path = folder / "talk.wav"
    parts = pause(0.5), voiced(4.0, level=0.6), voiced(4.0, level=0.05), pause(1.0), voiced(2.0, level=0.05)
    soundfile.write(path, np.concatenate(parts), RATE)
    found = build_timeline(path, LevelSession(), voice="energy", window=1.0)
    (folder / "page.html").write_text(format_page(found, measure_spectrogram(path)))
    return found


@pytest.fixture(scope="module")
def browser(folder, timeline):
    with chromium.Browser(folder) as found:
        found.resize(1280, 900)
        found.open(f"file://{folder / 'page.html'}")
        yield found


def test_the_page_shows_every_segment_and_its_picture_and_fetches_nothing(browser, timeline):
    browser.photograph("timeline.png")
    rows = browser.evaluate("document.querySelectorAll('.wide tbody tr').length")
    assert rows == len(timeline.segments)
    dots = browser.evaluate(
        "[...document.querySelectorAll('td .dot')].map(one => [one.style.background, one.parentElement.innerText])"
    )
    assert {label for _, label in dots} == {segment.label for segment in timeline.segments if segment.label}
    assert len({colour for colour, _ in dots}) == len({label for _, label in dots})  # one each, as in the picture
    pictures = browser.evaluate("[...document.images].map(one => [one.complete, one.naturalWidth, one.clientWidth])")
    assert len(pictures) == 1
    assert all(complete and natural > 500 and shown > 500 for complete, natural, shown in pictures)
    assert browser.complaints() == []
    assert {address.split(":")[0] for address in browser.requests()} <= {"file", "data"}


@pytest.mark.exhaustive
def test_a_phone_shows_it_without_scrolling_sideways(browser):
    browser.resize(390, 800, mobile=True)
    browser.photograph("timeline_phone.png")
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    # the picture scrolls inside its own box, and stays large enough to be read
    assert browser.evaluate("document.images[0].clientWidth") >= 700
    assert browser.evaluate("document.images[0].parentElement.clientWidth <= window.innerWidth")
