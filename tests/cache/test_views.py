"""Cached views: what they follow from, that training on them is training on the changed audio, and who hears them."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from ser_tl.augment import AugmentConfig
from ser_tl.cache.cache_folder import VIEW
from ser_tl.cache.cached import AllViews, CachedClips
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.views import ViewedClips, Views
from ser_tl.cli import main
from ser_tl.data.audio import SAMPLE_RATE, AudioConfig
from ser_tl.data.batching import UtteranceDataset, collate
from ser_tl.errors import CacheError, ConfigError
from ser_tl.inference import speaker_norm
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.runtime.processes import build_accelerator
from ser_tl.training import Trainer
from ser_tl.training.features import FeaturePipeline
from ser_tl.training.parts.balance import BalanceConfig
from ser_tl.transfer import Frozen, Full, Partial
from tests.training.samples import TONES, interrupted, split_tones, tiny_model, tone_corpus, train_config, untimed

pytestmark = pytest.mark.slow

CHANGES = {"speed": {"probability": 1.0}, "noise": {"probability": 1.0}}
CONFIG = train_config()
VIEWS = AugmentConfig(transforms=CHANGES, views=3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), takes=1)


@pytest.fixture(scope="module")
def split(corpus):
    return split_tones(corpus)  # four speakers of three clips each to learn from, one dev, one test


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "cache"))
    return FeatureCache()


@pytest.fixture(scope="module")
def usual(split, tmp_path_factory):
    """A training on views, in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_TL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return trained(split, epochs=1)


def windows_of(corpus, audio=None) -> UtteranceDataset:
    return UtteranceDataset(corpus, list(TONES), audio or AudioConfig(), training=False)


def views_of(corpus, config=VIEWS, audio=None) -> ViewedClips:
    return Views(config, (audio or AudioConfig()).max_seconds).view(windows_of(corpus, audio))


def transforms(**options) -> AugmentConfig:
    return AugmentConfig(transforms=options, views=2)


def trained(split, augment=VIEWS, *, model=None, strategy=None, folder=None, resume=False, seed=0, **changes):
    config = train_config(**({"epochs": 2} | changes))
    trainer = Trainer(model or tiny_model(), strategy or Frozen(), config, folder, augment=augment, seed=seed)
    trainer.fit(split.train, split.dev, resume=resume)
    return trainer


def entries(store, *, views=True):
    return sorted(path for path in store.folder.glob("*/*/*.safetensors") if path.stem.endswith(VIEW) == views)


class OnTheFly:
    """The views that cached clips would be, made when they are asked for."""

    def __init__(self, cached: CachedClips, views: ViewedClips) -> None:
        self.cached = cached
        self.views = views

    def __getattr__(self, name):
        return getattr(self.cached, name)

    def __setattr__(self, name, value):
        if name == "epoch":
            self.cached.epoch = value
        else:
            super().__setattr__(name, value)

    def __len__(self):
        return len(self.cached)

    def __getitem__(self, index):
        return self.views[index * self.views.number + self.cached.window(index)]


@pytest.mark.parametrize(
    ("strategy", "options"),
    [(Frozen, {"pooling": "stats"}), pytest.param(partial(Partial, 1), {}, marks=pytest.mark.exhaustive)],
)
def test_a_training_on_cached_views_scores_as_one_that_makes_them_anew(strategy, options, split, monkeypatch):
    augment = AugmentConfig(transforms=CHANGES | {"mask": {}, "mixup-embedding": {}}, views=3)
    usual = {"strategy": strategy(), "batch_seconds": 2.0, "learning_rate": 1e-2}
    cached = trained(split, augment, model=tiny_model(**options), **usual)
    none = trained(split, replace(augment, views=0), model=tiny_model(**options), **usual)
    assert viewed(cached, split)
    cached_clips = FeaturePipeline.load_training_clips

    def fresh(self, train, tables=None, *, views=None, **options):
        clips = CachedClips.__new__(CachedClips)
        clips.__dict__ = cached_clips(self, train, tables, views=views, **options).__dict__
        return OnTheFly(clips, views.view(windows_of(train)))

    monkeypatch.setattr(FeaturePipeline, "load_training_clips", fresh)
    anew = trained(split, augment, model=tiny_model(**options), **usual)
    for one, other in zip(cached.history, anew.history, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=2e-4)
        assert one["dev_loss"] == pytest.approx(other["dev_loss"], abs=2e-4)
    said, again, otherwise = (each.evaluate(split.test).predictions.probabilities for each in (cached, anew, none))
    assert abs(said - again).max() < 0.01 * abs(said - otherwise).max()


def viewed(trainer, split) -> CachedClips:
    clips = trainer.features.load_training_clips(
        split.train, reads=trainer.training.reads, views=trainer.training.views
    )
    assert isinstance(clips, CachedClips)
    return clips


@pytest.mark.exhaustive
def test_an_epoch_hears_one_view_of_each_clip_and_in_the_end_all_of_them(split, usual):
    clips = viewed(usual, split)
    assert len(clips) == len(split.train)
    heard = []
    for epoch in range(12):
        clips.epoch = epoch
        heard.append([clips.window(place) for place in range(len(clips))])
        assert heard[-1] == [clips.window(place) for place in range(len(clips))]
    assert {view for epoch in heard for view in epoch} == {0, 1, 2}
    assert len({tuple(epoch) for epoch in heard}) == 12
    clips.clips.seed = 1
    assert [clips.window(place) for place in range(len(clips))] != heard[-1]


def test_lengths_are_those_of_the_views(split, usual):
    clips = viewed(usual, split)
    views = usual.training.views.view(windows_of(split.train))
    every = AllViews(clips)
    assert len(every) == len(views) == 3 * len(split.train)
    assert every.seconds == pytest.approx([len(view.waveform) / SAMPLE_RATE for view in views], abs=1e-6)
    assert clips.seconds == pytest.approx(
        [every.seconds[3 * place + clips.window(place)] for place in range(len(clips))]
    )
    assert clips.seconds != pytest.approx(windows_of(split.train).seconds, rel=1e-3)


def test_seeds_and_folds_share_views(corpus, split, store, monkeypatch):
    model = tiny_model()
    running = build_accelerator(CONFIG, None)
    FeaturePipeline(model, Frozen(), CONFIG, running, seed=0).load_training_clips(split.train, **_views(VIEWS))
    before = entries(store)
    assert len(before) == 3 * 3 * len(split.train)  # views, layers
    monkeypatch.setattr(ViewedClips, "__getitem__", lambda *_: pytest.fail("made again"))
    speakers = sorted(set(split.train["speaker"]))[1:]
    rows = [row for row, who in enumerate(split.train["speaker"]) if who in speakers]
    feed = FeaturePipeline(model, Frozen(), CONFIG, running, seed=5)
    filled = feed.load_training_clips(split.train.select(rows[::-1]), **_views(VIEWS))
    assert len(filled) == len(rows)
    assert entries(store) == before


def _views(config):
    training = Trainer(tiny_model(), Frozen(), train_config(), augment=config).training
    return {"reads": training.reads, "views": training.views}


@pytest.mark.exhaustive
def test_a_view_is_the_same_in_any_batch_order_and_number_of_processes(corpus, tmp_path, monkeypatch):
    """Two processes of other batches fill a cache of their own with what one process makes."""
    audio = AudioConfig(max_seconds=0.5)  # several windows of some clips, and slow speech that has to be cropped
    config = AugmentConfig(transforms=CHANGES | {"reverb": {}, "pitch": {}, "telephone": {}, "crop": {}}, views=2)
    first, turned = corpus.select(range(8)), corpus.select(range(7, -1, -1))
    one, other = views_of(first, config, audio), views_of(turned, config, audio)
    place = {key: number for number, key in enumerate(other.keys)}
    assert sorted(one.keys) == sorted(other.keys)
    for number, key in enumerate(one.keys):
        assert torch.equal(one[number].waveform, other[place[key]].waveform)
        assert 0 < len(one[number].waveform) <= 0.5 * SAMPLE_RATE

    model = tiny_model()
    model.audio = audio
    states = []
    for folder, seconds, processes in (("one", 30.0, 1), ("two", 1.2, 2)):
        cache, config_ = FeatureCache(tmp_path / folder), train_config(batch_seconds=seconds)
        for process in reversed(range(processes)):
            running = build_accelerator(config_, None)
            monkeypatch.setattr(type(running), "num_processes", property(lambda _, count=processes: count))
            monkeypatch.setattr(type(running), "process_index", property(lambda _, own=process: own))
            clips = UtteranceDataset(first, list(TONES), audio, training=True)
            filled = cache.fill(clips, model.encoder, [0, 2], running, config_, views=Views(config, 0.5))
            monkeypatch.undo()
        states.append([[clip.states[2].mean + clip.states[2].residual for clip in AllViews(filled)], filled.files])
    assert [[[path.name for path in paths.values()] for paths in own] for own in states[0][1]] == (
        [[[path.name for path in paths.values()] for paths in own] for own in states[1][1]]
    )
    for left, right in zip(states[0][0], states[1][0], strict=True):
        torch.testing.assert_close(left, right, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "other",
    [
        transforms(noise={"snr": 21}),
        transforms(noise={"snr": 20, "probability": 0.4}),
        transforms(noise={"snr": 20, "colours": ["white", "pink"]}),
        transforms(noise={"snr": 20}, gain={}),
        transforms(pitch={}),
    ],
)
def test_another_option_makes_other_views(other, corpus):
    first = corpus.select(range(3))
    plain = views_of(first, transforms(noise={"snr": 20}))
    assert (
        plain.keys == views_of(first, transforms(noise={"snr": [20, 20]}, speed=None)).keys
    )  # the same, said otherwise
    assert not set(plain.keys) & set(views_of(first, other).keys)
    assert not set(plain.keys) & set(views_of(first, transforms(noise={"snr": 20}), AudioConfig(max_seconds=9.0)).keys)


def test_order_counts_and_more_views_keep_those_that_there_are(corpus):
    first = corpus.select([0])
    there, back = transforms(noise={}, speed={}), transforms(speed={}, noise={})
    assert not set(views_of(first, there).keys) & set(views_of(first, back).keys)
    more = AugmentConfig(transforms={"noise": {}, "speed": {}}, views=5)
    assert views_of(first, more).keys[:2] == views_of(first, there).keys


@pytest.mark.parametrize("name", ["background", "reverb"])
def test_what_is_mixed_in_counts_by_content_not_by_place(name, corpus, tmp_path):
    first = corpus.select(range(2))
    for folder, take in (("one", 4), ("moved", 4), ("other", 5)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").write_bytes(Path(corpus[take]["audio"]["path"]).read_bytes())
    keys = {
        folder: views_of(first, transforms(**{name: {"folder": str(tmp_path / folder)}})).keys
        for folder in ("one", "moved", "other")
    }
    assert keys["one"] == keys["moved"]
    assert not set(keys["one"]) & set(keys["other"])
    assert not set(keys["one"]) & set(views_of(first, transforms(**{name: {}})).keys)


def test_babble_is_of_training_clips_whatever_their_order_and_seed_and_of_others_makes_other_views(split):
    babble = transforms(babble={"probability": 1.0})
    rows = range(len(split.train) - 1, -1, -1)
    one, turned = views_of(split.train, babble), views_of(split.train.select(rows), babble)
    assert sorted(one.keys) == sorted(turned.keys)
    fewer = views_of(split.train.select(range(len(split.train) - 1)), babble)
    assert not set(one.keys) & set(fewer.keys)


@pytest.mark.exhaustive
@torch.no_grad()
def test_masks_on_mel_are_a_part_of_the_view(split, store):
    model = tiny_model().eval()
    augment = AugmentConfig(transforms={"noise": {}, "mask-mel": {"bands": 0.5}}, views=2)
    feed = FeaturePipeline(model, Frozen(), CONFIG, build_accelerator(CONFIG, None), seed=0)
    options = _views(augment)
    every = AllViews(feed.load_training_clips(split.train, **options))
    heard = options["views"].view(windows_of(split.train))
    for place in (0, 1, 7):
        batch = collate([heard[place]])
        states, _ = model.encoder(batch.waveform, batch.lengths, [2], on_mel=heard.mask(place))
        plain, _ = model.encoder(batch.waveform, batch.lengths, [2])
        state = every[place].states[2]
        assert (state.mean + state.residual - states[0, 0]).abs().mean() < 0.2 * (plain - states).abs().mean()
    assert not torch.equal(heard.mask(0)(*_mel()), heard.mask(1)(*_mel()))


def _mel():
    return torch.randn(1, 60, 20, generator=torch.manual_seed(0)), torch.tensor([60])


def test_dev_and_test_never_hear_a_view(split, usual, monkeypatch):
    trainer, store = usual, usual.features.cache
    made = len(entries(store))
    assert made == 3 * 3 * len(split.train)
    monkeypatch.setattr(ViewedClips, "__getitem__", lambda *_: pytest.fail("a view"))
    report = trainer.evaluate(split.test)
    assert len(entries(store)) == made
    assert len(entries(store, views=False)) == 3 * sum(map(len, (split.train, split.dev, split.test)))
    assert all(
        not path.stem.endswith(VIEW) for own in trainer.features.load_clips(split.dev).files for path in own[0].values()
    )
    assert report.facts["views"] == 3
    assert list(report.facts["augment"]) == ["speed", "noise"]


@pytest.mark.exhaustive
def test_the_refit_hears_clips_and_all_views_and_no_speaker_is_on_both_sides(split, monkeypatch):
    from ser_tl.training.parts import refit

    heard = {}
    fit = refit.fit_discriminant

    def watched(embedding, labels, speakers, classes, layers, *, weights):
        heard.update(speakers=speakers, weights=weights, count=len(embedding))
        return fit(embedding, labels, speakers, classes, layers, weights=weights)

    monkeypatch.setattr(refit, "fit_discriminant", watched)
    trained(split, refit="discriminant", epochs=1)
    assert heard["count"] == 4 * len(split.train) + len(split.dev)
    for speaker in set(split.train["speaker"]):
        clips = list(split.train["speaker"]).count(speaker)
        said = [float(w) for who, w in zip(heard["speakers"], heard["weights"], strict=True) if who == speaker]
        assert len(said) == 4 * clips  # held out together, by the speaker's name
        assert sum(said) == pytest.approx(clips)
    assert float(heard["weights"].sum()) == pytest.approx(len(split.train) + len(split.dev))


@pytest.mark.exhaustive
@pytest.mark.parametrize("statistics", ["speaker", "corpus"])
def test_statistics_are_those_of_clips_as_they_are(statistics, split, monkeypatch):
    monkeypatch.setattr(speaker_norm, "FEWEST_CLIPS", 3)

    def model():
        config = ModelConfig(hidden=16, statistics=statistics)
        return EmotionModel(tiny_model().encoder, list(TONES), config=config, audio=AudioConfig())

    plain, viewed = (trained(split, augment, model=model(), epochs=1) for augment in (None, VIEWS))
    tables = plain.training.norms.states, viewed.training.norms.states
    assert tables[0].keys() == tables[1].keys()
    for name, (mean, deviation) in tables[0].items():
        torch.testing.assert_close(mean, tables[1][name][0])
        torch.testing.assert_close(deviation, tables[1][name][1])


@pytest.mark.exhaustive
def test_resuming_hears_the_same_views(split, tmp_path):
    augment = AugmentConfig(transforms=CHANGES | {"mask": {}}, views=3)
    whole = trained(split, augment, folder=tmp_path / "whole", save_every=1)
    with pytest.raises(InterruptedError):
        trained(split, augment, folder=tmp_path / "cut", strategy=interrupted(Frozen(), 6), save_every=1)
    resumed = trained(split, augment, folder=tmp_path / "cut", resume=True, save_every=1)
    assert untimed(resumed.history) == untimed(whole.history)


@pytest.mark.exhaustive
def test_synthetic_clips_lie_between_views_and_the_refit_hears_none(split, monkeypatch):
    heard = []
    monkeypatch.setattr(
        "ser_tl.training.parts.refit.refit_discriminant", lambda *_, views, **__: heard.append(len(views)) or {}
    )
    config = BalanceConfig(synthesise="smote", weights="none")
    training = train_config(epochs=1, refit="discriminant")
    trainer = Trainer(tiny_model(pooling="stats"), Frozen(), training, augment=VIEWS, balance=config)
    spared = next(name for name in split.train["id"] if "sadness" in name)
    rows = [row for row, name in enumerate(split.train["id"]) if name != spared]
    trainer.fit(split.train.select(rows), split.dev)
    assert trainer.facts["balance"]["heard"] == dict.fromkeys(TONES, 4)
    assert heard == [3 * len(rows)]
    assert "every real clip once, and its views" in trainer.notes[0]


def test_the_command_tells_views_from_clips(split, usual, capsys, monkeypatch):
    usual.evaluate(split.test)
    monkeypatch.setenv("SER_TL_CACHE", str(usual.features.cache.folder))
    capsys.readouterr()
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out.splitlines()
    counts = [shown[2][shown[0].index(name) :].split()[0] for name in ("clips", "views")]
    assert counts == [str(len(split.train) + len(split.dev) + len(split.test)), str(3 * len(split.train))]


def test_what_cant_be_a_view_is_told_with_the_way_out(split):
    with pytest.raises(ConfigError, match=r"mixup mixes two clips.*\{mixup: null\}.*mixup-embedding.*augment.views 0"):
        AugmentConfig("everything", views=4)
    with pytest.raises(ConfigError, match=r"no transform changes the audio: name some.*leave augment.views"):
        AugmentConfig("manifold-mixup", views=4)
    with pytest.raises(ConfigError, match=r"augment.views is -1: expected a whole number"):
        AugmentConfig("ser", views=-1)
    with pytest.raises(
        ConfigError, match=r"the strategy trains all of the encoder.*`strategy` frozen.*augment.views 0"
    ):
        trained(split, strategy=Full())
    with pytest.raises(ConfigError, match=r"train.cache is false.*train.cache true"):
        trained(split, cache=False)
    with pytest.raises(CacheError, match=r"3 views of 12 clips would take .*train.cache_gib.*augment.views"):
        trained(split, cache_gib=1e-5)
    model = tiny_model()
    model.encoder.has_mel = False
    with pytest.raises(ConfigError, match=r"no log-mel front end .*: take mask"):
        Trainer(model, Frozen(), train_config(), augment=AugmentConfig("specaugment", views=2))
