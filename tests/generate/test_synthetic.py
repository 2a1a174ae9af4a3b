"""Synthetic clips reach training parts, and nothing that is judged."""

import json
from dataclasses import replace

import pytest
from datasets import concatenate_datasets

from ser_tl.augment import AugmentConfig
from ser_tl.corpora import load_corpus
from ser_tl.data.splits import SplitConfig, make_splits
from ser_tl.errors import ConfigError, CorpusError, SplitError
from ser_tl.generate import WaveGan, add_synthetic, write_synthetic
from ser_tl.model import ModelConfig
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.generate.samples import tiny_config
from tests.training.samples import TONES, rated, tiny_model, tone_corpus, train_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), takes=1)


@pytest.fixture
def split(corpus):
    return make_splits(corpus)[0]


@pytest.fixture
def manifest(split, tmp_path):
    """Three clips of each class, long enough for an encoder."""
    gan = WaveGan(tiny_config(samples=4096, width=1), sorted(TONES))
    return write_synthetic(gan, split, tmp_path / "gan")


def test_a_manifest_of_synthetic_clips_is_a_corpus(manifest):
    clips = load_corpus("csv", manifest)
    assert len(clips) == 3 * len(TONES)
    assert set(clips["speaker"]) == {"synthetic"}
    assert clips["id"][0] == "synthetic/anger_0000"
    origin = json.loads((manifest.parent / "synthetic.json").read_text())
    assert len(origin["speakers"]["train"]) == 4
    assert origin["wavegan"]["samples"] == 4096


def test_clips_are_added_to_training_alone_from_a_manifest_or_a_runs_folder(split, manifest):
    for source in (manifest, manifest.parent):
        added = add_synthetic([split], source)[0]
        assert len(added.train) == len(split.train) + 9
        assert added.train["speaker"][-1] == "synthetic"
        assert (added.dev["id"], added.test["id"]) == (split.dev["id"], split.test["id"])
    assert add_synthetic([split], None) == [split]


def test_columns_that_only_real_clips_have_stay_and_are_unknown_of_synthetic_ones(corpus, manifest):
    split = make_splits(rated(corpus))[0]
    added = add_synthetic([split], manifest)[0]
    assert added.train.column_names == split.train.column_names
    assert added.train["arousal"][0] is not None
    assert added.train["arousal"][-1] is None


def test_clips_made_from_speakers_of_dev_or_test_are_refused(corpus, manifest):
    others = make_splits(corpus, config=SplitConfig(seed=1))[0]
    known = json.loads((manifest.parent / "synthetic.json").read_text())["speakers"]["train"]
    assert set(known) & {*others.dev["speaker"], *others.test["speaker"]}, "the seeds should draw other speakers"
    with pytest.raises(SplitError, match=r"would carry them into training; train the generator on this very split"):
        add_synthetic([others], manifest)


def test_renaming_the_speakers_does_not_help(corpus, split, manifest):
    names = [f"other_{name}" for name in corpus["speaker"]]
    renamed = corpus.remove_columns("speaker").add_column("speaker", names).select_columns(corpus.column_names)
    others = make_splits(renamed, config=SplitConfig(seed=1))[0]
    with pytest.raises(SplitError, match=r"was made from \d+ clips that are in the (dev|test) part"):
        add_synthetic([others], manifest)


def test_clips_made_from_speakers_who_are_nowhere_in_the_split_are_refused(corpus, split, manifest):
    fewer = replace(split, train=split.train.filter(lambda row: row["speaker"] != split.train["speaker"][0]))
    with pytest.raises(SplitError, match=r"1 speakers who aren't in the training part"):
        add_synthetic([fewer], manifest)


def test_clips_that_do_not_tell_whose_they_are_are_refused(split, manifest):
    (manifest.parent / "synthetic.json").unlink()
    with pytest.raises(CorpusError, match=r"keep the file that recipes/train_wavegan\.py writes"):
        add_synthetic([split], manifest)


def test_real_clips_classes_that_are_none_and_empty_folders_are_refused(split, manifest, tmp_path):
    text = manifest.read_text()
    manifest.write_text(text.replace(",anger,", ",fear,"))
    with pytest.raises(SplitError, match=r"has fear, which are no classes here: .* the same `emotions`"):
        add_synthetic([split], manifest)
    manifest.write_text(text.replace("synthetic,synthetic\n", "anna,mine\n"))
    with pytest.raises(CorpusError, match=r"real speech belongs into the corpus"):
        add_synthetic([split], manifest)
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        with pytest.raises(CorpusError, match=r"no synthetic\.csv there, nor in holdout/ in it: expected"):
            add_synthetic([split], tmp_path / name)


@pytest.mark.parametrize("part", ["dev", "test"])
def test_no_split_has_synthetic_clips_in_dev_or_test(split, manifest, part):
    clips = load_corpus("csv", manifest)
    mixed = concatenate_datasets([getattr(split, part), clips])
    with pytest.raises(SplitError, match=rf"9 synthetic clips are in the {part} part, .* `synthetic`"):
        replace(split, **{part: mixed})


def test_a_training_counts_them_apart_and_its_judges_refuse_them(split, manifest, tmp_path):
    added = add_synthetic([split], manifest)[0]
    trainer = Trainer(tiny_model(), Frozen(), train_config(epochs=1, cache=False))
    trainer.fit(added.train, added.dev)
    assert (trainer.data_facts["training_utterances"], trainer.data_facts["synthetic_utterances"]) == (
        len(split.train),
        9,
    )
    assert trainer.data_facts["training_speakers"] == 4
    assert "synthetic" not in trainer.model.known_speakers
    report = trainer.evaluate(added.test)
    assert report.notes[0].startswith("trained on 9 synthetic clips beside 12 real ones; dev and test are real speech")
    with pytest.raises(SplitError, match="a model is evaluated on real speech only"):
        trainer.evaluate(load_corpus("csv", manifest))
    with pytest.raises(SplitError, match="9 of 9 dev clips are synthetic"):
        Trainer(tiny_model(), Frozen(), train_config(epochs=1)).fit(split.train, load_corpus("csv", manifest))


@pytest.mark.exhaustive
def test_statistics_and_the_refit_hear_real_clips_alone(split, manifest):
    found = []
    for chosen in (split, add_synthetic([split], manifest)[0]):
        model = tiny_model(pooling="stats")
        trainer = Trainer(
            model, Frozen(), train_config(epochs=1, learning_rate=1e-9, refit="discriminant", cache=False)
        )
        trainer.fit(chosen.train, chosen.dev)
        report = trainer.evaluate(chosen.test)
        found.append(report.predictions.probabilities)
    assert found[0] == pytest.approx(found[1], abs=1e-5)  # a frozen encoder: the steps change nothing that counts here
    assert "the refitted classifier was fitted to the real ones alone" in report.notes[0]


def test_speakers_statistics_do_not_go_with_clips_of_no_speaker(split, manifest):
    added = add_synthetic([split], manifest)[0]
    model = tiny_model()
    model.config = ModelConfig(hidden=16, statistics="speaker")
    with pytest.raises(ConfigError, match=r"choose model\.statistics training, or leave `synthetic` out"):
        Trainer(model, Frozen(), train_config()).fit(added.train, added.dev)


def test_a_generator_of_silence_is_told(split, tmp_path):
    gan = WaveGan(tiny_config(), sorted(TONES), level=1e-9)
    with pytest.raises(ConfigError, match=r"silence for anger, neutral, sadness: .*wavegan\.minutes"):
        write_synthetic(gan, split, tmp_path)
    assert not (tmp_path / "synthetic.csv").exists()


def test_one_split_can_be_trained_with_several_seeds(corpus):
    pair = [make_splits(corpus, config=SplitConfig(seed=4), seed=seed)[0].ids for seed in (0, 1)]
    assert pair[0] == pair[1]
    assert make_splits(corpus, seed=4)[0].ids == pair[0]
    with pytest.raises(ConfigError, match=r"split\.seed is -1: expected 0 or more"):
        SplitConfig(seed=-1)


@pytest.mark.exhaustive
def test_the_refit_hears_views_of_real_clips_alone(split, manifest):
    augment = AugmentConfig(transforms={"gain": {}}, views=2)
    heads = []
    for chosen in (split, add_synthetic([split], manifest)[0]):
        config = train_config(epochs=1, learning_rate=1e-9, refit="discriminant")
        trainer = Trainer(tiny_model(pooling="stats"), Frozen(), config, augment=augment)
        trainer.fit(chosen.train, chosen.dev)
        heads.append(trainer.evaluate(chosen.test).predictions.probabilities)
    assert heads[0] == pytest.approx(heads[1], abs=1e-4)


def test_a_class_with_a_slash_in_its_name_is_a_class(split, tmp_path):
    merged = {"anger": "loud/fast", "neutral": "loud%fast", "sadness": "sadness"}
    parts = {part: getattr(split, part) for part in ("train", "dev", "test")}
    parts = {part: rows.map(lambda row: {"emotion": merged[row["emotion"]]}) for part, rows in parts.items()}
    gan = WaveGan(tiny_config(samples=4096, width=1), sorted(merged.values()))
    (added,) = add_synthetic([replace(split, **parts)], write_synthetic(gan, split, tmp_path))
    made = [row for row in added.train if row["speaker"] == "synthetic"]
    assert len({row["audio"]["path"] for row in made}) == 9
    assert {row["emotion"] for row in made} == set(merged.values())
