"""The feature cache: what is in it is what the encoder says, nothing else is ever found, and nothing is half there."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ser_tl.cli import main
from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import Utterances, collate
from ser_tl.errors import CacheError
from ser_tl.training import Trainer
from ser_tl.training import entries as entries_module
from ser_tl.training.cache import CachedClips, FeatureCache
from ser_tl.training.entries import read_states, write_states
from ser_tl.training.processes import accelerator
from ser_tl.transfer import Frozen, Full, Partial
from tests.training.samples import tiny_model, tone_corpus, tone_split, train_config

CONFIG = train_config()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture
def store(tmp_path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def clips_of(corpus, model, *, training=False) -> Utterances:
    return Utterances(corpus, model.labels, model.audio, training=training)


def fill(store, clips, model, config=CONFIG):
    return store.fill(clips, model, accelerator(config, None), config)


def entries(store) -> list[Path]:
    return sorted(store.folder.glob("*/*/*.safetensors"))


@torch.no_grad()
def test_cached_states_are_those_of_the_encoder(corpus, store):
    model = tiny_model().eval()
    clips = clips_of(corpus, model)
    cached = fill(store, clips, model)
    assert isinstance(cached, CachedClips)
    assert (len(cached), cached.seconds) == (len(clips), clips.seconds)
    batch, fresh = collate([cached[place] for place in (0, 5, 9)]), collate([clips[place] for place in (0, 5, 9)])
    assert (batch.ids, batch.labels.tolist()) == (fresh.ids, fresh.labels.tolist())
    assert batch.waveform.numel() == 0
    states, mask = model.states(fresh)
    assert torch.equal(batch.mask, mask)
    spread = states[:, mask].std(dim=1, keepdim=True)
    assert (((batch.states - states)[:, mask]) / spread).abs().max() < 2e-3
    torch.testing.assert_close(model(batch).logits, model(fresh).logits, atol=2e-3, rtol=0)


def test_nothing_is_encoded_twice(corpus, store, monkeypatch):
    model = tiny_model()
    fill(store, clips_of(corpus, model), model)
    before = entries(store)
    monkeypatch.setattr(model.encoder, "forward", lambda *_: pytest.fail("encoded again"))
    cached = fill(store, clips_of(corpus, model, training=True), model)
    assert len(cached) == len(before) == len(corpus)
    assert entries(store) == before


def test_another_encoder_layer_choice_or_normalisation_finds_nothing(corpus, store):
    first = corpus.select(range(2))
    models = [tiny_model(), tiny_model(seed=1), tiny_model(), tiny_model()]
    models[2].layers = [0, 2]
    models[3].audio = AudioConfig(normalise="rms")
    for count, model in enumerate(models, 1):
        fill(store, clips_of(first, model), model)
        assert (len(store.encoders()), len(entries(store))) == (count, 2 * count)


def test_one_weight_more_or_less_is_another_encoder(corpus, store):
    model = tiny_model()
    fill(store, clips_of(corpus.select([0]), model), model)
    with torch.no_grad():
        model.encoder.model.conv1.weight.view(-1)[7] += 1e-6
    fill(store, clips_of(corpus.select([0]), model), model)
    assert len(entries(store)) == 2


def test_changed_audio_under_an_old_name_is_encoded_anew(tmp_path, store):
    model = tiny_model()
    corpus = tone_corpus(tmp_path / "one").select([0])
    cached = fill(store, clips_of(corpus, model), model)
    before = cached[0].states
    path = Path(corpus[0]["audio"]["path"])
    other = tone_corpus(tmp_path / "one").select([5])[0]["audio"]["path"]
    path.write_bytes(Path(other).read_bytes())
    os.utime(path, ns=(1, 1))
    after = fill(store, clips_of(corpus, model), model)[0].states
    assert before.shape != after.shape or not torch.equal(before, after)


def test_windows_of_long_clips_are_cached_and_drawn_anew_in_each_epoch(corpus, store):
    model = tiny_model()
    model.audio = AudioConfig(max_seconds=0.1)
    clips = Utterances(corpus, model.labels, model.audio, training=True, seed=3)
    cached = fill(store, clips, model)
    assert len(cached) == len(corpus) < len(entries(store))
    assert max(cached.seconds) <= 0.1
    drawn = []
    for epoch in range(12):
        cached.epoch = epoch
        drawn.append(cached[0].states)
        assert torch.equal(cached[0].states, drawn[-1])
    assert any(not torch.equal(drawn[0], other) for other in drawn)


def test_a_training_on_cached_states_scores_as_one_on_audio(tmp_path):
    split = tone_split(tmp_path)

    def train(*, cached):
        trainer = Trainer(tiny_model(), Frozen(), train_config(cache=cached, epochs=4), seed=0)
        history = trainer.fit(split.train, split.dev)
        return [record["dev_loss"] for record in history], trainer.evaluate(split.test).predictions.probabilities

    (losses, probabilities), (again, twice) = train(cached=True), train(cached=False)
    assert np.allclose(losses, again, atol=2e-3)
    assert np.allclose(probabilities, twice, atol=5e-3)


@pytest.mark.parametrize(("strategy", "cached"), [(Frozen, True), (Full, False), (Partial, False)])
def test_only_an_encoder_that_never_moves_is_cached(strategy, cached, corpus):
    trainer = Trainer(tiny_model(), strategy(), train_config())
    trainer.strategy.prepare(trainer.model)
    assert isinstance(trainer._clips(corpus), CachedClips) == cached
    assert not isinstance(Trainer(tiny_model(), strategy(), train_config(cache=False))._clips(corpus), CachedClips)


def test_states_too_many_for_the_cache_are_computed_each_time_and_that_is_said(corpus, tmp_path, capsys):
    model = tiny_model()
    clips = clips_of(corpus, model)
    small = FeatureCache(tmp_path / "cache", gib=1e-6)
    assert fill(small, clips, model) is clips
    assert "train.cache_gib" in capsys.readouterr().out
    assert entries(small) == []


def test_the_least_recently_used_entries_make_room(corpus, store):
    model = tiny_model()
    fill(store, clips_of(corpus, model), model)
    every = entries(store)
    size = sum(path.stat().st_size for path in every)
    for age, path in enumerate(every):
        os.utime(path, (time.time() - 1000 + age,) * 2)
    store.limit = size - 1
    store.shrink()
    assert entries(store) == every[1:]
    store.shrink(keep=set(every[1:4]), limit=0)
    assert entries(store) == every[1:4]


def test_a_part_that_comes_later_never_drives_out_what_the_training_reads(corpus, tmp_path):
    model = tiny_model()
    train, dev = corpus.select(range(len(corpus) - 4)), corpus.select(range(len(corpus) - 4, len(corpus)))
    probe = FeatureCache(tmp_path / "probe")
    fill(probe, clips_of(train, model), model)
    room = sum(probe.used.values())  # enough for the training part alone, files' headers not counted
    store = FeatureCache(tmp_path / "cache", gib=room * 1.001 / 2**30)
    cached = fill(store, clips_of(train, model), model)
    assert not isinstance(fill(store, clips_of(dev, model), model), CachedClips)
    assert all(cached[place].states is not None for place in range(len(cached)))
    store.limit = int(sum(store.used.values()) * 1.5)  # room by estimate; on the disk, with headers, too little
    fill(store, clips_of(dev, model), model)
    assert all(path.is_file() for path in store.used)


def test_a_write_that_is_killed_leaves_nothing_to_be_found(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def half(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise Killed

    path = tmp_path / "aa" / "aabb.safetensors"
    monkeypatch.setattr(entries_module, "save_file", half)
    with pytest.raises(Killed):
        write_states(path, torch.randn(2, 3, 4))
    assert not path.exists()
    assert list(path.parent.glob("*.part"))


def test_damage_is_told_with_the_way_out_found_and_mended(corpus, store):
    model = tiny_model()
    clips = clips_of(corpus, model)
    cached = fill(store, clips, model)
    expected = cached[0].states
    short, flipped = cached.files[0][0], cached.files[1][0]
    short.write_bytes(short.read_bytes()[:50])
    content = bytearray(flipped.read_bytes())
    content[-3] ^= 0xFF
    flipped.write_bytes(bytes(content))
    with pytest.raises(CacheError, match=r"can't be read .*`ser-tl cache verify --delete`.*--train.cache false"):
        _ = cached[0]
    assert store.verify() == sorted([short, flipped])
    assert store.verify(delete=True) == sorted([short, flipped])
    assert store.verify() == []
    assert torch.equal(fill(store, clips, model)[0].states, expected)


def test_states_beyond_half_precision_keep_their_values(tmp_path):
    states = torch.randn(1, 5, 3) * 1e6
    write_states(tmp_path / "one.safetensors", states)
    torch.testing.assert_close(read_states(tmp_path / "one.safetensors"), states)
    offset = 100.0 + 0.01 * torch.randn(1, 500, 3)  # a hundredth of a percent of the mean: nothing for plain halves
    write_states(tmp_path / "two.safetensors", offset)
    torch.testing.assert_close(read_states(tmp_path / "two.safetensors"), offset, atol=3e-5, rtol=0)


def test_clear_leaves_what_is_not_the_cache_s(corpus, store):
    model = tiny_model()
    fill(store, clips_of(corpus.select([0]), model), model)
    own = store.folder / "notes.txt"
    own.write_text("mine")
    store.clear()
    assert list(store.folder.rglob("*")) == [own]


def test_the_command_shows_verifies_and_clears(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))

    def command(*arguments):
        return main(["cache", *arguments]), capsys.readouterr().out

    model = tiny_model()
    model.encoder_name = "tiny"
    store = FeatureCache()
    fill(store, clips_of(corpus.select(range(3)), model), model)
    assert json.loads((store.encoders()[0].folder / "encoder.json").read_text())["encoder"] == "tiny"
    capsys.readouterr()
    status, shown = command()
    assert status == 0
    assert "tiny" in shown
    assert str(tmp_path) in shown
    entries(store)[1].write_bytes(b"")
    status, verified = command("verify")
    assert status == 1
    assert f"{store.verify()[0]}: damaged" in verified
    assert "1 of 3 entries damaged" in verified
    assert command("verify", "--delete")[0] == 0
    assert command("clear")[0] == 0
    assert store.encoders() == []
