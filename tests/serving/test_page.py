"""The page in a real Chromium, with its fake microphone: mouse-free, at a phone's width, offline.

Screenshots go to $SER_TL_SCREENSHOTS, if that is set.
"""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest

from tests.serving import chromium
from tests.serving.running import AttentiveSession, LoudnessSession, Running, encode, tone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium: apt-get install chromium"),
]

KEY = "a-key-of-some-length"
CONTRASTS = (Path(__file__).parent / "contrast.js").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def server():
    with Running(LoudnessSession(max_seconds=12.0)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(folder):
    speech = np.concatenate([tone(2.0, rate=48_000), np.zeros(48_000)])
    (folder / "microphone.wav").write_bytes(encode(speech, rate=48_000, subtype="PCM_16"))
    with chromium.Browser(folder, folder / "microphone.wav") as found:
        yield found
        check_quiet(found)  # whatever tests this process had


def check_quiet(browser):
    """Nothing came from elsewhere, and nobody complained."""
    assert all(one.startswith(("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:")) for one in browser.requests())
    unexpected = [one for one in browser.complaints() if "Failed to load resource" not in str(one)]
    assert unexpected == []  # refusals are loads that failed


def text(browser, selector):
    return browser.evaluate(f"document.querySelector('{selector}').textContent")


def colours(browser, selector):
    """How many colours a canvas shows."""
    return browser.evaluate(
        f"(() => {{ const canvas = document.querySelector('{selector}'); const pixels = new Uint32Array("
        "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer); "
        "return new Set(pixels).size; })()"
    )


def tab_to(browser, place):
    for _ in range(40):
        browser.press("Tab", 9)
        if browser.evaluate("document.activeElement.id") == place:
            return
    raise AssertionError(f"{place} can't be reached by the keyboard")


def test_the_page_by_keyboard_alone(browser, server, folder):
    browser.resize(1280, 900)
    browser.open(server.url)
    browser.wait("document.getElementById('model').options.length === 1")
    (folder / "clip.wav").write_bytes(encode(tone()))
    (folder / "broken.wav").write_bytes(b"no audio")
    (folder / "=loud.wav").write_bytes(encode(tone(level=0.9)))

    browser.choose("#file", folder / "clip.wav")  # before the consent
    browser.wait("document.getElementById('error').textContent !== ''")
    assert "has been informed" in text(browser, "#error")
    assert browser.evaluate("document.activeElement.id") == "notice"
    browser.press(" ", 32, " ")
    assert browser.evaluate("document.getElementById('notice').checked")

    browser.choose("#file", folder / "clip.wav")
    browser.wait("!document.querySelector('#one figure').hidden")
    assert text(browser, "#one .label") == server.post(encode(tone())).json["label"]
    assert text(browser, "#error") == ""
    assert browser.evaluate("document.querySelectorAll('#one .bars meter').length") == 3
    assert text(browser, "#one figcaption").startswith(
        f"Answers to each 1.0 s alone: {text(browser, '#one .label')} is"
    )
    assert "no attention weights" in text(browser, "#one figcaption")
    assert colours(browser, "#one canvas") > 3
    assert browser.evaluate("document.getElementById('second-field').hidden")  # there is but one model

    browser.choose("#file", folder / "broken.wav")
    browser.wait("document.getElementById('error').textContent !== ''")
    assert text(browser, "#error").startswith("audio of 8 bytes")

    tab_to(browser, "record")
    browser.press("Enter", 13, "\r")
    browser.wait("document.getElementById('record').textContent === 'Stop recording'")
    browser.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))")
    browser.press("Enter", 13, "\r")
    browser.wait("document.querySelector('#one .facts').textContent.startsWith('recording, ')")

    tab_to(browser, "live")
    browser.press("Enter", 13, "\r")
    browser.wait("document.getElementById('turns').rows.length >= 1")
    assert browser.evaluate("document.querySelectorAll('#live-bars meter').length") == 3
    browser.photograph("desktop.png")
    browser.press("Enter", 13, "\r")
    browser.wait("document.getElementById('live').textContent === 'Start the microphone'")

    browser.choose("#files", folder / "clip.wav", folder / "broken.wav", folder / "=loud.wav")
    browser.wait("!document.getElementById('save').disabled")
    assert text(browser, "#batch-facts") == "3 done"
    browser.evaluate(
        "URL.createObjectURL = (blob) => { window.saved = blob.text(); return 'data:,'; }; "
        "HTMLAnchorElement.prototype.click = () => {}"
    )
    tab_to(browser, "save")
    browser.press("Enter", 13, "\r")
    browser.wait("window.saved")
    rows = list(csv.DictReader(io.StringIO(browser.evaluate("window.saved"), newline="")))
    assert [row["file"] for row in rows] == ["clip.wav", "broken.wav", "'=loud.wav"]
    assert (rows[0]["error"], rows[1]["label"]) == ("", "")
    assert sum(float(rows[0][label]) for label in ("loud", "soft", "sharp")) == pytest.approx(1)


def test_the_page_at_a_phones_width_and_in_the_dark(browser, server):
    browser.resize(360, 740, mobile=True)
    for path in ("/", "/docs"):
        browser.open(server.url + path)
        browser.wait("document.querySelectorAll('section').length >= 3")
        assert browser.evaluate("document.documentElement.scrollWidth") <= 360, path
        browser.photograph(f"phone{path.replace('/', '_')}.png")
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.open(server.url)
    browser.photograph("dark.png")
    browser.call("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_models_beside_each_other_and_what_they_attend_to(browser, folder, scheme):
    browser.resize(1280, 900)
    quiet_then_loud = np.concatenate([tone(1.5, level=0.05), tone(1.0, level=0.9)])
    (folder / "rising.wav").write_bytes(encode(quiet_then_loud))
    models = {"loudness": LoudnessSession(max_seconds=12.0), "attentive": AttentiveSession(max_seconds=12.0)}
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    with Running(sessions=models) as server:
        browser.open(server.url)
        browser.wait("document.getElementById('second').options.length === 3")
        browser.evaluate("document.getElementById('notice').click()")
        browser.choose("#file", folder / "rising.wav")
        browser.wait("!document.querySelector('#one figure').hidden")
        assert browser.evaluate("document.getElementById('two').hidden")

        tab_to(browser, "second")
        for _ in range(2):
            browser.press("ArrowDown", 40)
        browser.wait("document.querySelector('#two .facts').textContent.includes('model attentive 1')")
        browser.wait("!document.querySelector('#two figure').hidden")
        assert browser.evaluate("document.getElementById('second').value") == "attentive"
        assert text(browser, "#two .label") == text(browser, "#one .label")
        assert text(browser, "#two figcaption").startswith("What the model attends to")
        greatest = float(text(browser, "#two figcaption").rpartition("greatest at ")[2].partition(" ")[0])
        assert greatest > 1.4
        assert text(browser, "#two figcaption") in browser.evaluate(
            "document.querySelector('#two canvas').getAttribute('aria-label')"
        )
        assert colours(browser, "#one canvas") > colours(browser, "#two canvas") > 1
        browser.photograph(f"two_{scheme}.png")
        contrasts = browser.evaluate(CONTRASTS)
        assert len(contrasts) > 20
        assert {name: found for name, (found, least) in contrasts.items() if found < least} == {}
        browser.resize(360, 740, mobile=True)
        browser.wait("document.querySelector('#two canvas').width < 360 * devicePixelRatio")
        assert browser.evaluate("document.documentElement.scrollWidth") <= 360
        browser.photograph(f"two_phone_{scheme}.png")
    browser.call("Emulation.setEmulatedMedia", features=[])


@pytest.mark.skipif(
    "SER_TL_AXE" not in os.environ, reason="needs axe-core: npm pack axe-core, then SER_TL_AXE=.../axe.min.js"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("path", "width"), [("/", 1280), ("/", 360), ("/docs", 360)])
def test_axe_finds_no_obstacles(browser, server, folder, scheme, path, width):
    browser.resize(width, 900, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(server.url + path)
    if path == "/":
        browser.wait("document.getElementById('model').options.length === 1")
        browser.evaluate("document.getElementById('notice').click()")
        (folder / "clip.wav").write_bytes(encode(tone()))
        browser.choose("#file", folder / "clip.wav")
        browser.wait("!document.querySelector('#one figure').hidden")
    browser.evaluate(Path(os.environ["SER_TL_AXE"]).read_text("utf-8"))
    found = browser.evaluate(
        "axe.run().then((all) => ({broken: all.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]), "
        "passed: all.passes.length}))"
    )
    browser.call("Emulation.setEmulatedMedia", features=[])
    assert found["broken"] == []
    assert found["passed"] > 10


def test_a_key_is_asked_for_when_the_server_wants_one(browser):
    browser.resize(1280, 900)
    with Running(LoudnessSession(max_seconds=12.0), api_keys=(KEY,)) as server:
        browser.open(server.url)
        browser.wait("!document.getElementById('key-field').hidden")
        assert "a key of this server is needed" in text(browser, "#error")
        tab_to(browser, "key")
        browser.call("Input.insertText", text=KEY)
        browser.press("Tab", 9)
        browser.wait("document.getElementById('model').options.length === 1")
        browser.evaluate("document.getElementById('notice').click()")
        browser.evaluate("document.getElementById('live').click()")
        browser.wait("document.getElementById('live-label').textContent !== ''")
        server.server.should_exit = True
        browser.wait("document.getElementById('error').textContent.startsWith('The server is ending')")
    browser.evaluate("document.getElementById('key').dispatchEvent(new Event('change'))")
    browser.wait("document.getElementById('error').textContent === 'The server can\\'t be reached.'")


def test_nothing_comes_from_elsewhere_and_nobody_complains(server, browser):
    browser.open(server.url)
    browser.wait("document.getElementById('model').options.length === 1")
    assert len(browser.requests()) > 3  # the page, its style and its scripts
    check_quiet(browser)
