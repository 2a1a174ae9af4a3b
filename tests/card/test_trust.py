"""What a card says of purpose, calibration, groups, people in the training data, and law."""

import json

import pytest

from ser_tl import cli
from ser_tl.card import CARD_FILE, check_purpose, state_purpose, write_card
from ser_tl.card.trust import NOT_STATED
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Report
from ser_tl.modules.calibration import NEVER, Calibration
from tests.evaluation.samples import LABELS, sample

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]

CALIBRATION = Calibration("temperature", [0.5], [], "dev speakers", 60, 4, 1.2, 0.9)
PEOPLE = {
    "sex": {"female": {"utterances": 300, "speakers": 5}, "male": {"utterances": 500, "speakers": 9}},
    "language": {"en": {"utterances": 800, "speakers": 14}},
    "age": {"youngest": 21.0, "oldest": 64.0, "utterances": 800},
}


@pytest.fixture
def folder(tmp_path):
    def write(**config):
        plain = {"labels": LABELS, "pooling": "mean", "encoder": {"name": "hubert-base", "family": "hubert"}}
        (tmp_path / "config.json").write_text(json.dumps(plain | config))
        return tmp_path

    return write


def report(**facts):
    groups = {"sex": {f"s{number}": "female" if number < 2 else "male" for number in range(5)}}
    return Report.of(sample(), facts={"corpora": ["tess"], "groups": groups, "training_data": PEOPLE} | facts)


def test_a_card_says_whether_its_probabilities_can_be_acted_on(folder):
    made = report(calibration=CALIBRATION.to_json())
    home = folder(calibration=CALIBRATION.to_json())
    card = write_card(home, report=made).read_text()
    for said in (
        "temperature 2.00, fitted on 60 clips of 4 speakers: dev speakers; log loss on these 1.200 before, 0.900 after",
        f"| ECE % (95 % interval over speakers) | {100 * made.calibration.ece:.1f} (",
        f"The surest 80 % of the clips are {100 * made.selection.accuracy_at_80:.1f} % right",
        "## Groups of speakers",
        f"By sex, {100 * made.groups[0].gap:.1f} points apart",
        "| sex: female | 300 | 5 |",
        "| age: 21 to 64 years | 800 |  |",
        "| Toronto Emotional Speech Set | en | acted | CC BY-NC-ND 4.0 | non-commercial |",
        "article 5 (1) (f), since 2 February 2025",
        "article 50 (3), since 2 August 2026",
        "annex III 1 (c)",
        "Not legal advice",
    ):
        assert said in card, said
    assert (home / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_that_never_was_calibrated_says_so(folder):
    assert f"This model: {NEVER}." in write_card(folder()).read_text()
    assert f"This model: {NEVER}." in write_card(folder(calibration=None)).read_text()


def test_what_the_corpora_do_not_tell_is_said(folder):
    card = write_card(folder(), report=report(training_data={"language": PEOPLE["language"]})).read_text()
    assert "Not recorded in these corpora: sex, age of the speakers." in card


def test_the_purpose_is_asked_for_and_filled_in(folder):
    home = folder()
    write_card(home)
    with pytest.raises(ConfigError, match=r"README.md: doesn't state what the model is for.*`purpose`"):
        check_purpose(home)
    state_purpose(home, "Sorting rehearsal recordings of actors who agreed.")
    check_purpose(home)
    card = (home / CARD_FILE).read_text()
    assert "## Intended purpose\n\nSorting rehearsal recordings of actors who agreed.\n" in card
    assert NOT_STATED not in card
    with pytest.raises(ConfigError, match="no card that leaves the purpose open"):
        state_purpose(home, "Something else")
    stated = write_card(home, options={"purpose": "Research."}).read_text()
    assert "## Intended purpose\n\nResearch.\n" in stated


def test_nothing_is_shown_to_everyone_without_a_purpose(tmp_path, capsys):
    from tests.test_model import build

    (tmp_path / "hub").mkdir()
    build().save_pretrained(tmp_path / "model")
    write_card(tmp_path / "model")
    command = ["push", str(tmp_path / "model"), f"file://{tmp_path}/hub/me/model", "--public", "--yes"]
    assert cli.main(command) == 1
    assert "doesn't state what the model is for" in capsys.readouterr().err
    assert list((tmp_path / "hub").iterdir()) == []
    assert cli.main([*command, "--purpose", "Research on acted speech."]) == 0
    assert "Research on acted speech." in (tmp_path / "model" / CARD_FILE).read_text()
