"""Several corpora in one training, from options to report, and a model on a corpus of fewer emotions."""

import json
from functools import partial

import pytest

import ser_tl as ser
from ser_tl import cli
from ser_tl.data.votes import AnnotationConfig
from ser_tl.errors import ConfigError, CorpusError, SplitError
from ser_tl.options import parse
from ser_tl.training.parts.balance import BalanceConfig
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import tiny_model, train_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two manifests of tones: four speakers of three emotions, and three of the same names who lack sadness."""
    folder = tmp_path_factory.mktemp("corpora")
    tone_manifest(folder / "one", speakers=4, takes=2)
    path = tone_manifest(folder / "two", speakers=3, takes=2, seed=1)
    lines = [line for line in path.read_text().splitlines() if "sadness" not in line]
    (folder / "two" / "tones.csv").unlink()
    (folder / "two" / "two.csv").write_text("\n".join(lines))
    (folder / "one" / "tones.csv").rename(folder / "one" / "one.csv")
    return folder


@pytest.fixture
def both(home):
    return f"csv:{home / 'one' / 'one.csv'}+csv:{home / 'two' / 'two.csv'}"


@pytest.fixture
def options(both, tmp_path, monkeypatch):
    """Options of a quick run on both."""
    monkeypatch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)
    usual = {"corpus": both, "output": tmp_path / "run", "strategy": "full", "train": train_config(epochs=1)}
    return lambda **changes: ser.Options(**(usual | changes))


shared = partial(AnnotationConfig, classes="shared")


@pytest.mark.exhaustive
def test_both_train_one_model_and_each_has_its_score(options, tmp_path, capsys):
    report = load_recipe("finetune_wav2vec2").main(options(balance=BalanceConfig(corpora="weights")))
    printed = capsys.readouterr().out
    saved = json.loads((tmp_path / "run" / "report.json").read_text())
    text = (tmp_path / "run" / "report.md").read_text()
    assert report.title == "wav2vec2-mini (full) on csv+csv, holdout"  # no path of anybody's disk
    assert saved["facts"]["corpora"] == ["one", "two"]
    (corpora,) = [group for group in saved["groups"] if group["column"] == "corpus"]
    assert set(corpora["groups"]) == {"one", "two"}
    for place in (printed, text, " ".join(saved["notes"])):
        assert "one (24 utterances, 4 speakers), two (12 utterances, 3 speakers)" in place
        assert "different people, have their corpus' name in front" in place
        assert "of some alone: sadness (one)" in place
        assert "corpora alike within each class (by weights)" in place
    assert "by corpus: " in printed
    assert "| corpus | UAR %" in text
    assert {name.partition("_")[0] for name in saved["per_speaker"]} == {"one", "two"}


def test_each_corpus_is_tested_without_its_own_speakers(options, tmp_path):
    recipe = load_recipe("finetune_wav2vec2")
    with pytest.raises(SplitError, match=r"sadness \(one\)"):
        recipe.main(options(protocol="loco"))
    report = recipe.main(options(protocol="loco", labels=shared()))
    assert set(report.folds) == {"one", "two"}
    (corpora,) = report.groups
    assert (corpora.column, set(corpora.groups)) == ("corpus", {"one", "two"})
    for name, other in (("one", "two"), ("two", "one")):
        ids = json.loads((tmp_path / "run" / name / "split.json").read_text())
        fold = json.loads((tmp_path / "run" / name / "report.json").read_text())
        assert fold["facts"]["corpora"] == [other]
        assert fold["labels"] == ["anger", "neutral"]
        assert len(ids["test"]) == {"one": 16, "two": 12}[name]
    assert any("Shared emotions alone (anger, neutral): 8 utterances are left out" in note for note in report.notes)


@pytest.mark.exhaustive
def test_a_run_of_several_corpora_is_its_own_config(options, home, tmp_path):
    corpora = [f"csv:{home / name / name}.csv" for name in ("one", "two")]
    folder = tmp_path / "config.yaml"
    folder.write_text(f"corpus: {json.dumps(corpora)}\nlabels: shared\nprotocol: loco\n")
    read = parse(ser.Options, "", ["--config", str(folder)])
    assert (read.corpus, read.labels.classes, read.protocol) == (corpora, "shared", "loco")
    assert read.name == "wav2vec2-mini_csv+csv"
    again = tmp_path / "again.yaml"
    again.write_text(read.as_yaml())
    assert parse(ser.Options, "", ["--config", str(again)]) == read
    flags = parse(ser.Options, "", ["--corpus", "+".join(corpora), "--labels", "shared", "--labels.ties", "keep"])
    assert flags.labels == AnnotationConfig(classes="shared", ties="keep")
    assert ser.load_splits(flags)[0].ids == ser.load_splits(read.changed({"protocol": "holdout"}))[0].ids
    assert read.changed({"labels": "all"}).labels.classes == "all"


def test_the_same_recordings_under_two_names_are_refused(options, home, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_text((home / "one" / "one.csv").read_text())
    with pytest.raises(CorpusError, match="24 recordings are in two of the corpora"):
        ser.load_checked(options(corpus=f"csv:{home / 'one' / 'one.csv'}+csv:{copy}"))


def test_dimensions_of_several_scales_are_a_note(options):
    from ser_tl.training.parts.dimensions import DimensionConfig

    _, notes = ser.load_checked(options(dimensions=DimensionConfig(names=["arousal"])))
    assert any(note.startswith("The arousal of several corpora is learned as one, each on its own") for note in notes)


def test_balancing_one_corpus_is_refused(options, home):
    one = options(corpus="csv", root=home / "one" / "one.csv", balance=BalanceConfig(corpora="sampling"))
    with pytest.raises(ConfigError, match=r"balance.corpora is sampling, and the training part is of one alone"):
        load_recipe("finetune_wav2vec2").main(one)


@pytest.fixture(scope="module")
def model(home, tmp_path_factory):
    """A model of three emotions, trained on the first corpus."""
    folder = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)
        load_recipe("finetune_wav2vec2").main(
            ser.Options(
                corpus=f"csv:{home / 'one' / 'one.csv'}",
                output=folder / "run",
                strategy="full",
                train=train_config(epochs=1),
            )
        )
    return folder / "run" / "model"


@pytest.fixture
def other(home, tmp_path):
    """The second corpus with names that the model doesn't know."""
    path = home / "two" / "other.csv"
    path.write_text((home / "two" / "two.csv").read_text().replace("speaker_", "other_"))
    return path


def evaluate(model, other, folder, capsys, *arguments):
    given = [str(model), "--corpus", "csv", "--root", str(other), "--output", str(folder), *arguments]
    assert cli.main(["evaluate", *given]) == 0
    return json.loads((folder / "report.json").read_text()), capsys.readouterr().out


@pytest.mark.exhaustive
def test_a_corpus_of_fewer_emotions_is_answered_among_these_on_request(model, other, tmp_path, capsys):
    usual, printed = evaluate(model, other, tmp_path / "usual", capsys)
    share = usual["facts"]["answers"]["share_absent"]
    assert usual["facts"]["answers"]["absent"] == ["sadness"]
    assert f"{100 * share:.1f} % of the answers are emotions that this corpus doesn't have (sadness)" in printed
    restricted, printed = evaluate(model, other, tmp_path / "shared", capsys, "--labels", "shared")
    assert restricted["labels"] == ["anger", "neutral"]
    assert restricted["facts"]["answers"] == {"restricted_to": ["anger", "neutral"]}
    assert "answers restricted to the 2 shared emotions" in restricted["title"]
    assert "Answers among the 2 emotions that model and corpus share, and not among its sadness" in printed
    assert restricted["support"] == usual["support"] == 12


@pytest.mark.exhaustive
def test_utterances_of_emotions_that_the_model_lacks_are_left_out(model, other, tmp_path, capsys):
    rename = ("--emotions.merge", '{"calm": ["neutral"]}')
    arguments = ["evaluate", str(model), "--corpus", "csv", "--root", str(other), *rename]
    assert cli.main(arguments) == 1
    assert "--labels.classes shared leaves them out" in capsys.readouterr().err
    assert cli.main([*arguments, "--labels", "shared"]) == 1
    assert "shares 1 emotions with the corpus (anger, calm)" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_a_name_that_was_changed_is_known_all_the_same(options, home, tmp_path, capsys):
    load_recipe("finetune_wav2vec2").main(options(labels=shared()))
    given = [str(tmp_path / "run" / "model"), "--corpus", "csv", "--root", str(home / "one" / "one.csv")]
    assert cli.main(["evaluate", *given, "--labels", "shared"]) == 1
    assert "the model knows 3 of the 4 speakers from its training" in capsys.readouterr().err


def test_a_known_speaker_is_found_in_a_combination_that_renames_him(model, both, capsys):
    """The model was trained on the first corpus alone, where nothing was renamed."""
    assert cli.main(["evaluate", str(model), "--corpus", both]) == 1
    assert "the model knows 3 of the 7 speakers from its training" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_commands_look_into_several_corpora_as_one(both, capsys):
    assert cli.main(["corpora", both]) == 0
    listed = capsys.readouterr().out
    assert "Several corpora: one (24 utterances, 4 speakers), two (12 utterances, 3 speakers)" in listed
    assert "of some alone: sadness (one)" in listed
    assert cli.main(["audit", both, "--no_audio"]) == 0
    assert "36 utterances of 7 speakers" in capsys.readouterr().out
