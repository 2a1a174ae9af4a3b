"""Where a model reads a summary of each clip, the cache keeps no more than that, and no score can tell."""

import pytest
import torch

from ser_tl.analysis.embedding import extract_embeddings
from ser_tl.analysis.layers import probe_layers
from ser_tl.augment import AugmentConfig
from ser_tl.cache.entry import read_state, read_summary, write_state, write_state_summary
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.keys import hash_layers
from ser_tl.cache.pooled import REDUCE
from ser_tl.cache.summaries import Summary, shorten
from ser_tl.cli import main
from ser_tl.errors import CacheError
from ser_tl.inference.clips import Pass, collect_clips
from ser_tl.inference.moments import clip_statistics
from ser_tl.inference.processes import OneProcess
from ser_tl.inference.speaker_norm import measure_norms
from ser_tl.inference.statistics import fit_statistics
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.pooling import POOLINGS
from ser_tl.runtime.processes import build_accelerator
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen, Partial
from tests.combinations import each_value_once
from tests.encoders.tiny import tiny
from tests.training.samples import TONES, split_tones, tone_corpus, train_config

pytestmark = pytest.mark.slow

CONFIG = train_config(epochs=1)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return split_tones(tone_corpus(tmp_path_factory.mktemp("tones"), takes=1))


@pytest.fixture(scope="module")
def long_split(tmp_path_factory):
    """With nine clips of a speaker: statistics of their own take eight."""
    return split_tones(tone_corpus(tmp_path_factory.mktemp("tones"), speakers=3))


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch) -> FeatureCache:
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "cache"))
    return FeatureCache()


def build(pooling="stats", **options) -> EmotionModel:
    torch.manual_seed(0)
    return EmotionModel(tiny("whisper"), list(TONES), pooling=pooling, config=ModelConfig(**({"hidden": 16} | options)))


def contents(store) -> set[str]:
    """What is kept, by the facts beside the entries."""
    return {str(one.facts.get("content", "frames")) for one in store.encoders()}


def train(split, model, strategy=None, config=CONFIG, **options):
    """A training's losses, checks and its score of the test part, without what differs from run to run."""
    trainer = Trainer(model, strategy or Frozen(), config, **options)
    history = trainer.fit(split.train, split.dev)
    figures = [record[name] for record in history for name in ("train_loss", "dev_loss", "dev_uar")]
    report = trainer.evaluate(split.test)
    checked = trainer.facts.get("statistics_check", {})
    return [*figures, report.uar, *(checked[name] for name in sorted(checked))], report.predictions.probabilities


@pytest.mark.parametrize(
    ("pooling", "statistics"), [("stats", "speaker"), pytest.param("max", "training", marks=pytest.mark.exhaustive)]
)
def test_a_training_on_summaries_is_one_on_frames(pooling, statistics, split, long_split, store, monkeypatch):
    chosen = long_split if statistics == "speaker" else split
    figures, probabilities = train(chosen, build(pooling, statistics=statistics))
    assert contents(store) == {"summary"}
    store.clear()
    monkeypatch.setattr("ser_tl.training.features.FeatureCache.fill", frames_only(FeatureCache.fill))
    expected, whole = train(chosen, build(pooling, statistics=statistics))
    assert contents(store) == {"frames"}
    assert figures == pytest.approx(expected, abs=2e-3)
    torch.testing.assert_close(torch.from_numpy(probabilities), torch.from_numpy(whole), atol=2e-3, rtol=0)


@pytest.mark.parametrize(("pooling", "layers"), each_value_once(sorted(REDUCE), [None, [2, 0]]), ids=str)
def test_what_is_measured_over_frames_follows_from_summaries(pooling, layers, long_split, store):
    model = build(pooling, layers=layers, statistics="speaker")
    feed = Trainer(model, Frozen(), CONFIG).training.features
    clips = feed._decode(long_split.train, training=False, labelled=True)
    how = Pass(OneProcess(model.device), batch_seconds=2.0)
    found = []
    for reduce in (REDUCE[pooling], None):
        kept = fill(store, long_split.train, model, reduce, clips)
        fit_statistics(model, kept, how, seed=0)
        norms = measure_norms(model, [kept], how)
        pooled = collect_clips([model], kept, lambda batch: clip_statistics(model, batch).transpose(0, 1), how)
        speaker = min(norms.states)
        norm = model.standardise_states, model.standardise_embedding
        values = [value for part in norm for value in (part.mean.clone(), part.deviation.clone())]
        found.append([*values, *norms.states[speaker], *norms.embedding[speaker], torch.from_numpy(pooled.values)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)


def frames_only(fill):
    """The cache's `fill`, as it was before there were summaries."""
    return lambda self, *args, **options: fill(self, *args, **(options | {"reduce": None}))


@pytest.mark.exhaustive
def test_a_refit_on_summaries_is_one_on_frames(split, store, monkeypatch):
    config = train_config(epochs=0, refit="layer-discriminants")
    model = build(layers=[0, 1, 2])
    _, probabilities = train(split, model, config=config)
    assert contents(store) == {"summary"}
    store.clear()
    monkeypatch.setattr("ser_tl.training.features.FeatureCache.fill", frames_only(FeatureCache.fill))
    _, whole = train(split, build(layers=[0, 1, 2]), config=config)
    torch.testing.assert_close(torch.from_numpy(probabilities), torch.from_numpy(whole), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("pooling", "options", "strategy"),
    [
        *((name, {}, Frozen()) for name in POOLINGS if name not in REDUCE),
        ("stats", {"join": "sum"}, Frozen()),
        ("stats", {"projection": 8}, Frozen()),
        ("stats", {"network": "bilstm"}, Frozen()),
        ("stats", {}, Partial(1)),
    ],
)
def test_frames_are_kept_where_the_model_reads_them(pooling, options, strategy, split, store):
    trainer = Trainer(build(pooling, **options), strategy, CONFIG)
    trainer.training.features.load_clips(split.dev)
    assert contents(store) == {"frames"}


@pytest.mark.exhaustive
def test_augmented_states_need_frames_in_training_and_their_statistics_dont(split, store):
    mask = AugmentConfig(transforms={"mask": {"probability": 1.0}})
    trainer = Trainer(build(), Frozen(), CONFIG, augment=mask)
    trainer.fit(split.train, split.dev)
    kept = {str(one.facts.get("content", "frames")): one.entries for one in store.encoders()}
    assert kept == {"frames": len(split.train), "summary": len(split.train) + len(split.dev)}


@pytest.mark.exhaustive
def test_views_are_kept_as_summaries(split, store, monkeypatch):
    views = AugmentConfig(transforms={"noise": {"probability": 1.0}}, views=2)
    figures, _ = train(split, build(), augment=views)
    assert contents(store) == {"summary"}
    assert {one.views for one in store.encoders()} == {2 * len(split.train)}
    store.clear()
    monkeypatch.setattr("ser_tl.training.features.FeatureCache.fill", frames_only(FeatureCache.fill))
    expected, _ = train(split, build(), augment=views)
    assert contents(store) == {"frames"}
    assert figures == pytest.approx(expected, abs=2e-3)


def test_a_summary_takes_as_much_of_a_long_clip_as_of_a_short_one(tmp_path):
    sizes = {}
    for frames in (50, 5000):
        state = torch.randn(frames, 384)
        place = tmp_path / "layer" / "aa"
        write_state(place / f"frames{frames}.safetensors", state)
        write_state_summary(place / f"summary{frames}.safetensors", state)
        sizes[frames] = [(place / f"{kind}{frames}.safetensors").stat().st_size for kind in ("frames", "summary")]
    assert sizes[50][1] == pytest.approx(sizes[5000][1], abs=8)
    assert sizes[50][1] < 384 * 12 + 1000 < sizes[50][0] / 7
    assert sizes[5000][0] > 700 * sizes[5000][1]


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e6])
@pytest.mark.parametrize("frames", [1, 2, 300])
def test_few_frames_have_the_statistics_of_all(frames, scale, tmp_path):
    state = scale * (torch.randn(frames, 64) + 100 * torch.randn(64))
    path = tmp_path / "layer" / "aa" / "clip.safetensors"
    write_state_summary(path, state)
    summary = read_summary(path)
    assert int(summary.frames) == frames
    close = {"rtol": 2e-3, "atol": 2e-3 * scale}
    stats = shorten(summary, REDUCE["stats"])
    values = stats.mean + stats.residual
    torch.testing.assert_close(values.mean(dim=0), state.mean(dim=0), **close)
    torch.testing.assert_close(values.std(dim=0, correction=0), state.std(dim=0, correction=0), **close)
    for name, expected in (("mean", state.mean(dim=0)), ("max", state.amax(dim=0)), ("last", state[-1])):
        few = shorten(summary, REDUCE[name])
        torch.testing.assert_close((few.mean + few.residual)[0], expected, **close)
    assert [stats.frames, len(stats.residual)] == [frames, 2]


def test_keys_tell_summaries_from_frames_and_those_of_frames_are_as_before():
    encoder = tiny("whisper")
    frames, summaries = (hash_layers(encoder, [0, 1], "none", "no", summary=kind) for kind in (False, True))
    assert hash_layers(encoder, [0, 1], "none", "no") == frames
    assert not set(frames) & set(summaries)


def fill(store, corpus, model, reduce, clips=None):
    clips = clips or Trainer(model, Frozen(), CONFIG).training.features._decode(corpus, training=False, labelled=True)
    return store.fill(clips, model.encoder, model.layers, build_accelerator(CONFIG, None), CONFIG, reduce=reduce)


def test_summaries_are_made_of_frames_that_are_there(split, store, monkeypatch):
    model = build()
    frames = fill(store, split.dev, model, None)
    monkeypatch.setattr(model.encoder, "forward", lambda *_: pytest.fail("encoded again"))
    summaries = fill(store, split.dev, model, REDUCE["stats"])
    assert summaries.seconds == frames.seconds
    for index in range(len(frames)):
        for layer, state in frames[index].states.items():
            few = summaries[index].states[layer]
            expected = shorten(Summary.from_mean(state.mean, state.residual), REDUCE["stats"])
            torch.testing.assert_close(few.mean + few.residual, expected.mean + expected.residual)
            assert few.frames == len(state.residual)


def test_damaged_or_missing_frames_make_no_summary(split, store):
    model = build()
    frames = fill(store, split.dev, model, None)
    first, second = (paths for windows in frames.files[:2] for paths in windows)
    for path in first.values():
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    for path in second.values():
        path.unlink()
    summaries = fill(store, split.dev, model, REDUCE["mean"])
    assert len(summaries) == len(frames) > 2
    fresh = FeatureCache(store.folder / "other")
    again = fill(fresh, split.dev, model, REDUCE["mean"])
    for index in range(len(again)):
        for layer, state in again[index].states.items():
            torch.testing.assert_close(state.mean, summaries[index].states[layer].mean, atol=1e-4, rtol=1e-4)


def test_a_damaged_summary_is_found_and_made_anew(split, store, capsys):
    model = build()
    files = fill(store, split.dev, model, REDUCE["stats"]).files
    path = files[0][0][model.layers[0]]
    whole, before = path.read_bytes(), read_summary(path)
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 4]) + whole[-2:])
    assert store.verify() == [path]
    with pytest.raises(CacheError, match="checksum"):
        read_summary(path)
    capsys.readouterr()
    fill(FeatureCache(store.folder), split.dev, model, REDUCE["stats"])
    said = capsys.readouterr()
    assert "1 entries of the feature cache aren't what was written there" in said.out + said.err
    for one, other in zip(read_summary(path), before, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)
    with pytest.raises(KeyError):
        read_state(path)


@pytest.mark.exhaustive
def test_embeddings_and_probes_of_layers_read_summaries(split, store):
    model = build().eval()
    cached, plain = train_config(cache=True), train_config(cache=False)
    model.fit_statistics(split.train)
    rows = [extract_embeddings(model, split.test, config).values for config in (cached, plain)]
    torch.testing.assert_close(*map(torch.as_tensor, rows), atol=2e-3, rtol=0)
    scores = [probe_layers(model, split.train, config, folds=2) for config in (cached, plain)]
    for layer, report in scores[0].items():
        assert report.uar == pytest.approx(scores[1][layer].uar, abs=1e-6)
    assert contents(store) == {"summary"}


def test_the_command_says_what_is_kept(split, store, capsys):
    model = build()
    fill(store, split.dev, model, REDUCE["stats"])
    fill(store, split.dev, model, None)
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "kept" in shown[0]
    assert sum("summary" in line for line in shown) == sum("frames" in line for line in shown) == len(model.layers)
