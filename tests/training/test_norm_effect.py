"""Own statistics are checked on training speakers: a warning where they take the emotion out with the voice."""

import io
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
import soundfile
import torch
from datasets import concatenate_datasets

from ser_tl.data.schema import build_corpus
from ser_tl.data.splits import Split
from ser_tl.model import ModelConfig
from ser_tl.training import Trainer
from ser_tl.training.norm_effect import (
    PooledSpeech,
    check_statistics,
    choose_speakers,
    describe_worse,
    measure_effect,
    standardize_domains,
)
from ser_tl.transfer import Frozen
from tests.training.samples import TONES, tiny_model, tone_split, train_config

pytestmark = pytest.mark.slow

EMOTIONS = list(TONES)


def coinciding_split(root):
    """Fifteen speakers with one emotion each but for one clip: nine train, three choose the epoch, three test."""
    draw = np.random.default_rng(0)
    rows = []
    for number in range(15):
        for take in range(9):
            emotion = EMOTIONS[(number + (take == 0)) % len(EMOTIONS)]
            time = np.arange(int(16000 * draw.uniform(0.3, 0.5))) / 16000
            wave = 0.3 * np.sin(2 * np.pi * TONES[emotion] * (1 + 0.01 * number) * time)
            path = root / f"{number:02}_{take}.wav"
            soundfile.write(path, wave + 0.05 * draw.standard_normal(len(time)), 16000)
            rows.append({"id": path.stem, "audio": path, "emotion": emotion, "speaker": f"speaker_{number:02}"})
    corpus = build_corpus([row | {"corpus": "tones", "language": "und"} for row in rows], source=str(root))
    parts = [[row for row in range(len(corpus)) if low <= int(rows[row]["id"][:2]) < high] for low, high in PARTS]
    return Split(*(corpus.select(part) for part in parts))


PARTS = [(0, 9), (9, 12), (12, 15)]


def model_with(statistics):
    model = tiny_model(dropout=0.0)
    config = ModelConfig(hidden=16, dropout=0.0, statistics=statistics)
    return type(model)(model.encoder, model.labels, config=config)


def fit(split, statistics="speaker", **changes):
    trainer = Trainer(model_with(statistics), Frozen(), train_config(epochs=1, **changes))
    trainer.fit(split.train, split.dev)
    return trainer


@pytest.fixture(scope="module")
def coinciding(tmp_path_factory):
    return coinciding_split(tmp_path_factory.mktemp("coinciding"))


@pytest.fixture(scope="module")
def balanced(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"))


def fit_aloud(split):
    """A trainer after its training, and all that was printed."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        trainer = fit(split)
    return trainer, " ".join(printed.getvalue().split())


@pytest.fixture(scope="module")
def warned(coinciding):
    return fit_aloud(coinciding)


@pytest.fixture(scope="module")
def content(balanced):
    return fit_aloud(balanced)


def test_a_training_warns_where_voice_and_emotion_coincide(coinciding, warned):
    trainer, printed = warned
    found = trainer.facts["statistics_check"]
    assert found["speakers"] == 12  # of training and dev, none of the test
    assert found["training"] - found["own"] > 0.1
    report = trainer.evaluate(coinciding.test)
    (note,) = [note for note in report.notes if "loses on training speakers" in note]
    assert f"UAR {100 * found['own']:.1f} with" in note
    assert f"{100 * found['training']:.1f} with those of the training speech" in note
    assert "train with model.statistics training" in note
    assert note in printed


@pytest.mark.exhaustive
def test_a_training_doesnt_warn_where_speakers_have_all_emotions(content):
    trainer, printed = content
    found = trainer.facts["statistics_check"]
    assert found["own"] >= found["training"]
    assert not [note for note in trainer.notes if "loses" in note]
    assert "loses" not in printed


@pytest.mark.exhaustive
def test_a_refitted_model_is_checked_too(coinciding):
    trainer = fit(coinciding, refit="discriminant")
    assert trainer.facts["statistics_check"]["own"] < trainer.facts["statistics_check"]["training"]


@pytest.mark.exhaustive
def test_what_is_measured_doesnt_depend_on_the_cache(coinciding, warned):
    decoded, (cached, _) = fit(coinciding, cache=False), warned
    assert decoded.facts["statistics_check"]["own"] == pytest.approx(cached.facts["statistics_check"]["own"], abs=0.02)


@pytest.mark.exhaustive
def test_the_corpus_own_statistics_are_checked_as_those_of_a_tested_part(coinciding):
    """A held-out group of speakers stands for the tested corpus: with few emotions in it, its mean takes them out."""
    assert "statistics_check" in fit(coinciding, "corpus").facts


@pytest.mark.exhaustive
def test_a_training_without_own_statistics_measures_nothing(balanced):
    trainer = fit(balanced, "training")
    assert "statistics_check" not in trainer.facts


def test_one_speaker_alone_measures_nothing(balanced):
    alone = balanced.train.filter(lambda row: row["speaker"] == balanced.train["speaker"][0])
    trainer = Trainer(model_with("speaker"), Frozen(), train_config(epochs=1))
    clips = trainer.features.load_clips(alone)
    assert check_statistics(trainer.model, [(alone, clips)], trainer.training.evaluation, seed=0) == ({}, [])


def drawn(voice, *, coinciding, speakers=20, clips=12, seed=0):
    """Embeddings in which emotions are one direction and voices offsets of a given size."""
    draw = np.random.default_rng(seed)
    means, offsets = draw.normal(size=(3, 8)), voice * draw.normal(size=(speakers, 8))
    who = np.repeat(np.arange(speakers), clips)
    labels = who % 3 if coinciding else np.tile(np.arange(clips) % 3, speakers)
    rows = 2 * means[labels] + offsets[who] + 0.5 * draw.normal(size=(len(who), 8))
    names = [f"s{number}" for number in who]
    return PooledSpeech(torch.from_numpy(rows), torch.from_numpy(labels), names, names)


@pytest.mark.parametrize(("voice", "coinciding", "gains"), [(4.0, False, True), (1.0, True, False)])
def test_the_probe_tells_voices_that_are_in_the_way_from_voices_that_are_the_emotion(voice, coinciding, gains):
    effect = measure_effect(drawn(voice, coinciding=coinciding), 3, seed=0)
    assert (effect.own_uar > effect.training_uar + 0.1) == gains
    assert (effect.own_uar < effect.training_uar - 0.1) == (not gains)
    assert (effect.interval.low > 0) == gains
    assert (effect.interval.high < 0) == (not gains)


def test_a_loss_that_may_be_chance_says_so():
    effect = measure_effect(drawn(0.0, coinciding=False), 3, seed=0)
    wide = effect._replace(
        own_uar=0.5, training_uar=0.51, interval=effect.interval.__class__(0.95, -0.1, 0.05, "speakers", 9)
    )
    assert "which includes zero" in describe_worse("speaker", wide)


def test_domains_have_zero_mean_and_unit_deviation():
    rows = torch.randn(40, 5, dtype=torch.float64) * 3 + 7
    found = standardize_domains(rows, ["a", "b"] * 20)
    for part in (found[::2], found[1::2]):
        assert part.mean(dim=0).abs().max() < 1e-9
        assert (part.std(dim=0, unbiased=False) - 1).abs().max() < 0.01


@pytest.mark.exhaustive
def test_all_clips_of_both_parts_are_heard(balanced, content):
    both = concatenate_datasets([balanced.train, balanced.dev])
    assert content[0].facts["statistics_check"]["speakers"] == len(set(both["speaker"]))


def test_a_large_corpus_is_probed_on_whole_speakers_up_to_a_number_of_clips(monkeypatch):
    monkeypatch.setattr("ser_tl.training.norm_effect.MOST_CLIPS", 10)
    names = ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    assert len(choose_speakers(names, seed=0)) == 2
    assert choose_speakers(names, seed=0) == choose_speakers(names[::-1], seed=0)
    assert len(choose_speakers(["a"] * 40 + ["b"] * 40, seed=0)) == 2  # fewer couldn't be held out
