"""The bundled demonstration model: it answers offline, on speakers that it was not trained on, and says what it is."""

import json

import pytest

from ser_tl.assets import asset
from ser_tl.cli import main
from ser_tl.corpora import load_corpus
from ser_tl.inference import Predictor
from ser_tl.inference.session import BUNDLED


@pytest.fixture(scope="module")
def predictor():
    return Predictor()


def test_it_tells_emotions_of_speakers_that_it_was_not_trained_on(predictor):
    corpus = load_corpus("emodb-mini")
    known = predictor.session.model.known_speakers
    assert len(known) == 8
    rows = [row for row in corpus if row["speaker"] not in known][::6]
    found = predictor.predict(rows)
    correct = [one.label == row["emotion"] for one, row in zip(found, rows, strict=True)]
    assert len(rows) >= 15
    assert sum(correct) / len(correct) > 0.7  # 91 % of all 116 clips of these two speakers


def test_the_command_line_says_what_it_is(capsys):
    clip = asset("emodb_mini") / "03a01Wa.opus"
    assert main(["predict", str(clip)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["label"] == "anger"
    assert "a demonstration: seven acted emotions, German, ten speakers" in err


def test_its_card_says_what_it_is_for_and_its_licence():
    card = (asset(BUNDLED) / "README.md").read_text(encoding="utf-8")
    assert "Acted speech is clearer than real speech" in card
    assert "UAR" in card
    assert "emodb_model" in (asset(BUNDLED).parent / "NOTICE.md").read_text(encoding="utf-8")
