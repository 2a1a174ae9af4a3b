"""The feature cache: what is in it is what the encoder says, nothing else is ever found, and nothing is half there."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ser_tl.cache import entry as entries_module
from ser_tl.cache.cached import CachedClips
from ser_tl.cache.entry import read_state, write_state
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.keys import find_cacheable_layers
from ser_tl.cli import main
from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import PackedState, UtteranceDataset, collate
from ser_tl.errors import CacheError
from ser_tl.inference.clips import encode_batch, forward_batch
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.runtime.processes import build_accelerator
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen, Full, Partial
from tests.combinations import with_default
from tests.encoders.tiny import SPEECH_SSL, tiny
from tests.training.samples import TONES, tiny_model, tone_corpus, tone_split, train_config

pytestmark = pytest.mark.slow

CONFIG = train_config()
LAYERS = 3  # of states that the tiny model has


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("small"), takes=1)


@pytest.fixture
def store(tmp_path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def clips_of(corpus, model, *, training=False) -> UtteranceDataset:
    return UtteranceDataset(corpus, model.labels, model.audio, training=training)


def fill(store, clips, model, config=CONFIG, layers=None):
    layers = sorted(model.layers) if layers is None else layers
    name = model.encoder_name
    return store.fill(clips, model.encoder, layers, build_accelerator(config, None), config, name=name)


def value(state: PackedState):
    return state.mean + state.residual


def entries(store) -> list[Path]:
    return sorted(store.folder.glob("*/*/*.safetensors"))


@torch.no_grad()
def test_cached_states_are_those_of_the_encoder(corpus, store):
    model = tiny_model().eval()
    clips = clips_of(corpus, model)
    cached = fill(store, clips, model)
    assert isinstance(cached, CachedClips)
    assert (len(cached), cached.seconds) == (len(clips), clips.seconds)
    batch = collate([cached[place] for place in (0, 5, 9)]).to("cpu")
    fresh = collate([clips[place] for place in (0, 5, 9)])
    assert (batch.ids, batch.labels.tolist()) == (fresh.ids, fresh.labels.tolist())
    assert batch.waveform.numel() == 0
    states, mask = encode_batch(model, fresh)
    assert torch.equal(batch.mask, mask)
    spread = states[:, mask].std(dim=1, keepdim=True)
    assert (((batch.states - states)[:, mask]) / spread).abs().max() < 2e-3
    logits = [forward_batch(model, one).logits for one in (batch, fresh)]
    torch.testing.assert_close(*logits, atol=2e-3, rtol=0)


def test_nothing_is_encoded_twice(corpus, store, monkeypatch):
    model = tiny_model()
    fill(store, clips_of(corpus, model), model)
    before = entries(store)
    monkeypatch.setattr(model.encoder, "forward", lambda *_: pytest.fail("encoded again"))
    cached = fill(store, clips_of(corpus, model, training=True), model)
    assert len(cached) == len(corpus) == len(before) / LAYERS
    assert entries(store) == before


def test_another_encoder_normalisation_or_precision_finds_nothing(corpus, store):
    first = corpus.select(range(2))
    models = [tiny_model(), tiny_model(seed=1), tiny_model(), tiny_model()]
    models[2].audio = AudioConfig(normalise="rms")
    for count, model in enumerate(models, 1):
        fill(store, clips_of(first, model), model, train_config(precision="bf16") if count == 4 else CONFIG)
        assert (len(store.encoders()), len(entries(store))) == (LAYERS * count, 2 * LAYERS * count)


def test_each_layer_is_found_whatever_others_are_asked_for(corpus, store, monkeypatch):
    model, first = tiny_model(), corpus.select(range(2))
    fill(store, clips_of(first, model), model, layers=[0, 2])
    before = {path: path.stat().st_ino for path in entries(store)}
    cached = fill(store, clips_of(first, model), model, layers=[1, 2])
    assert {path: path.stat().st_ino for path in entries(store) if path in before} == before
    assert len(entries(store)) == 2 * LAYERS
    assert sorted(cached[0].states) == [1, 2]
    monkeypatch.setattr(model.encoder, "forward", lambda *_: pytest.fail("encoded again"))
    fill(store, clips_of(first, model), model, layers=[0, 1])


@pytest.mark.parametrize(
    ("tensor", "new"),
    [("positions", [0, 1, 2]), ("model.conv1.weight", [0, 1, 2]), ("model.layers.0.fc1.bias", [1, 2]),
     ("model.layers.1.fc1.bias", [2]), ("model.layer_norm.weight", [2])],
)  # fmt: skip
def test_one_number_more_or_less_makes_other_entries_of_the_layers_above_and_only_of_them(tensor, new, corpus, store):
    model, first = tiny_model(), corpus.select([0])
    before = fill(store, clips_of(first, model), model).files[0][0]
    with torch.no_grad():
        model.encoder.state_dict()[tensor].view(-1)[7] += 1e-6
    after = fill(store, clips_of(first, model), model).files[0][0]
    assert [layer for layer in before if before[layer] != after[layer]] == new
    assert len(entries(store)) == LAYERS + len(new)


def test_changed_audio_under_an_old_name_is_encoded_anew(tmp_path, store):
    model = tiny_model()
    corpus = tone_corpus(tmp_path / "one").select([0])
    cached = fill(store, clips_of(corpus, model), model)
    before = value(cached[0].states[1])
    path = Path(corpus[0]["audio"]["path"])
    other = tone_corpus(tmp_path / "one").select([5])[0]["audio"]["path"]
    path.write_bytes(Path(other).read_bytes())
    os.utime(path, ns=(1, 1))
    after = value(fill(store, clips_of(corpus, model), model)[0].states[1])
    assert before.shape != after.shape or not torch.equal(before, after)


@pytest.mark.exhaustive
def test_windows_of_long_clips_are_cached_and_drawn_anew_in_each_epoch(corpus, store):
    model = tiny_model()
    model.audio = AudioConfig(max_seconds=0.1)
    clips = UtteranceDataset(corpus, model.labels, model.audio, training=True, seed=3)
    cached = fill(store, clips, model)
    assert len(cached) == len(corpus) < len(entries(store)) / LAYERS
    assert max(cached.seconds) <= 0.1
    drawn = []
    for epoch in range(12):
        cached.epoch = epoch
        drawn.append(value(cached[0].states[2]))
        assert torch.equal(value(cached[0].states[2]), drawn[-1])
    assert any(not torch.equal(drawn[0], other) for other in drawn)


@pytest.mark.parametrize(
    ("strategy", "layers", "kept"),
    [
        (Frozen(), [0, 1, 2], [0, 1, 2]),
        (Partial(1), [2, 0], [0, 1]),
        *(
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in (
                (Partial(2), [2], [0]),
                (Frozen(), [1], [1]),
                (Partial(1), [0, 1, 2], [0, 1]),
                (Partial(1), [2], [1]),
            )
        ),
    ],
)
def test_a_training_on_cached_states_scores_as_one_on_audio(strategy, layers, kept, small):
    """Dev scores while the top moves, and test scores when it has moved."""
    split = small

    def train(*, cached):
        config = train_config(cache=cached, epochs=1, calibration="temperature")
        trainer = Trainer(tiny_model(dropout=0.0, layers=layers), strategy, config)
        (record,) = trainer.fit(split.train, split.dev)
        clips = trainer.features.load_clips(split.test)
        assert sorted(clips[0].states or []) == (kept if cached else [])
        report = trainer.evaluate(split.test)
        return record["train_loss"], record["dev_loss"], report.predictions.probabilities, trainer.model

    *cached, model = train(cached=True)
    *audio, other = train(cached=False)
    weights, expected = model.state_dict(), other.state_dict()
    start = tiny_model().state_dict()
    moved = [
        not torch.equal(expected[f"encoder.model.layers.{n}.fc1.weight"], start[f"encoder.model.layers.{n}.fc1.weight"])
        for n in (0, 1)
    ]
    assert moved == [layer > max(kept) and layer <= max(layers) for layer in (1, 2)]
    for one, another in zip(cached, audio, strict=True):
        assert np.allclose(one, another, atol=5e-3)
    embedding = torch.randn(4, other.pooling.out_dim, generator=torch.manual_seed(0))
    torch.testing.assert_close(model.outliers(embedding), other.outliers(embedding), atol=0, rtol=5e-2)
    for name, tensor in expected.items():
        if name in ("outliers.directions", "outliers.axes"):  # of like width, any rotation of them is as good
            continue
        torch.testing.assert_close(weights[name], tensor, atol=2e-2, rtol=0)


@pytest.mark.exhaustive
def test_a_training_reads_what_another_kept_though_its_own_top_has_moved(small, store):
    split = small

    def kept_by(strategy):
        trainer = Trainer(tiny_model(), strategy, train_config(epochs=2))
        trainer.features.cache = store
        trainer.fit(split.train, split.dev)
        trainer.evaluate(split.test)
        return {path: path.stat().st_ino for path in entries(store)}

    frozen = kept_by(Frozen())
    assert len(frozen) == LAYERS * sum(map(len, (split.train, split.dev, split.test)))
    assert kept_by(Partial(1)) == frozen


@pytest.mark.parametrize(
    ("strategy", "layers", "kept"),
    [
        (Frozen(), None, [0, 1, 2, 3]),
        (Frozen(), [3, 1], [1, 3]),
        (Frozen(), [1], [1]),
        (Partial(1), None, [0, 1, 2]),
        (Partial(1), [3, 1], [1, 2]),
        (Partial(1), [3], [2]),
        (Partial(2), [1, 2, 3], [1]),
        (Partial(3), [1, 2, 3], [0]),
        (Partial(1), [0], []),
        (Full(), None, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["wav2vec2", "wavlm", "whisper"])
def test_what_is_kept_is_used_states_below_what_moves_and_the_one_to_go_on_from(name, strategy, layers, kept):
    model = EmotionModel(tiny(name), list("ab"), config=ModelConfig(layers=layers))
    if name != "whisper" and layers == [0]:
        kept = []  # "positions" moves
    strategy.prepare(model)
    assert find_cacheable_layers(model, strategy.trainable_blocks(model)) == kept
    assert find_cacheable_layers(model, []) == sorted(model.layers)


@pytest.mark.parametrize("strategy", [Frozen, Partial, Full])
def test_nothing_is_cached_where_that_is_switched_off_or_all_moves(strategy, corpus):
    trainer = Trainer(tiny_model(), strategy(), train_config(cache=strategy is Full))
    assert not isinstance(trainer.features.load_clips(corpus), CachedClips)


@pytest.mark.parametrize("name", SPEECH_SSL)
def test_every_speech_encoder_goes_on_from_what_is_cached(name, corpus, store):
    model = EmotionModel(tiny(name), list(TONES), config=ModelConfig(layers=[1, 3]))
    clips = clips_of(corpus.select([0, 4, 7]), model)
    cached = fill(store, clips, model, layers=[1, 2])
    batch = collate([cached[place] for place in range(3)]).to("cpu")
    fresh = collate([clips[place] for place in range(3)])
    Partial(1).prepare(model)
    model.train()
    states, mask = encode_batch(model, batch)
    expected = encode_batch(model, fresh)
    assert torch.equal(mask, expected.mask)
    spread = expected.states[:, mask].std(dim=1, keepdim=True)
    assert (((states - expected.states)[:, mask]) / spread).abs().max() < 5e-3
    states[1].sum().backward()
    top = model.encoder.blocks()[-1].modules
    assert all(weight.grad is not None for weight in top.parameters())


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
    store.evict()
    assert entries(store) == every[1:]
    store.evict(keep=set(every[1:4]), limit=0)
    assert entries(store) == every[1:4]


@pytest.mark.exhaustive
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
        write_state(path, torch.randn(3, 4))
    assert not path.exists()


def test_damage_is_told_with_the_way_out_found_and_mended(corpus, store):
    model = tiny_model()
    clips = clips_of(corpus, model)
    cached = fill(store, clips, model)
    expected = value(cached[0].states[1])
    short, flipped = cached.files[0][0][1], cached.files[1][0][2]
    short.write_bytes(short.read_bytes()[:50])
    content = bytearray(flipped.read_bytes())
    content[-3] ^= 0xFF
    flipped.write_bytes(bytes(content))
    with pytest.raises(CacheError, match=r"can't be read .*`ser-tl cache verify --delete`.*train.cache false"):
        _ = cached[0]
    assert store.verify() == sorted([short, flipped])
    assert store.verify(delete=True) == sorted([short, flipped])
    assert store.verify() == []
    # Mended beside other clips than before: longer padding may move the last bit of a half.
    torch.testing.assert_close(value(fill(store, clips, model)[0].states[1]), expected, atol=1e-5, rtol=1e-3)


def test_states_beyond_half_precision_keep_their_values(tmp_path):
    loud = torch.randn(5, 3) * 1e6
    write_state(tmp_path / "one.safetensors", loud)
    torch.testing.assert_close(value(read_state(tmp_path / "one.safetensors")), loud)
    offset = 100.0 + 0.01 * torch.randn(500, 3)  # a hundredth of a percent of the mean: nothing for plain halves
    write_state(tmp_path / "two.safetensors", offset)
    torch.testing.assert_close(value(read_state(tmp_path / "two.safetensors")), offset, atol=3e-5, rtol=0)


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
    facts = [json.loads((layer.folder / "encoder.json").read_text()) for layer in store.encoders()]
    assert {fact["encoder"] for fact in facts} == {"tiny"}
    assert sorted(fact["layers"] for fact in facts) == [[0], [1], [2]]
    capsys.readouterr()
    status, shown = command()
    assert status == 0
    assert "tiny" in shown
    assert str(tmp_path) in shown
    entries(store)[1].write_bytes(b"")
    status, verified = command("verify")
    assert status == 1
    assert f"{store.verify()[0]}: damaged" in verified
    assert "1 of 9 entries damaged" in verified
    assert command("verify", "--delete")[0] == 0
    assert command("clear")[0] == 0
    assert store.encoders() == []


def test_entries_in_use_are_marked_and_what_is_gone_all_the_same_is_explained(corpus, store, monkeypatch):
    model = tiny_model()
    clips = fill(store, clips_of(corpus, model), model)
    for path in entries(store):
        os.utime(path, (1.0, 1.0))
    store.touch_all()
    assert entries(store)[0].stat().st_mtime == 1.0  # it was filled just now
    monkeypatch.setattr("ser_tl.cache.feature_cache._MARK_SECONDS", -1.0)
    store.touch_all()
    assert min(path.stat().st_mtime for path in entries(store)) > time.time() - 60
    store.clear()
    with pytest.raises(CacheError, match=r"is gone; another run has made room.*train\.cache_gib.*`resume` goes on"):
        clips[0]


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 0x10
    path.write_bytes(bytes(content))


def scale(path):
    """Other values, written as a whole file by safetensors itself."""
    with safe_open(path, "pt") as file:
        known, tensors = file.metadata(), {name: file.get_tensor(name) * 2 for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata=known)


def retype(path):
    """The same bytes, read as another type of the same size."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"F16"', b'"I16"', 1))


def lengthen(path):
    """Another length of the clip, in the header."""
    content = path.read_bytes()
    begin = content.index(b'"seconds":"') + len(b'"seconds":"')
    path.write_bytes(content[:begin] + b"9" + content[begin + 1 :])


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def garble(path):
    path.write_bytes(b"\xff\xfegarbage")


@pytest.mark.parametrize("harm", [flip, scale, retype, lengthen, shorten, garble])
def test_a_training_reads_no_damaged_entry_but_computes_it_anew_and_says_so(harm, corpus, store, capsys):
    model = tiny_model()
    few = clips_of(corpus.select(range(4)), model)
    expected = value(fill(store, few, model)[1].states[2])
    hurt = fill(store, few, model).files[1][0][2]
    harm(hurt)
    with pytest.raises(CacheError, match="can't be read"):
        read_state(hurt)
    assert store.verify() == [hurt]
    capsys.readouterr()
    again = fill(FeatureCache(store.folder), few, model)
    said = capsys.readouterr().out
    assert "1 entries of the feature cache aren't what was written there" in said
    assert str(hurt) in said
    torch.testing.assert_close(value(again[1].states[2]), expected, atol=1e-5, rtol=1e-3)
    assert store.verify() == []
    assert "aren't what" not in capsys.readouterr().out


@pytest.mark.parametrize("other", ["clip", "layer", "cache"])
def test_swapped_entries_are_noticed_wherever_they_come_from(other, corpus, store, tmp_path, capsys):
    model = tiny_model()
    few = clips_of(corpus.select(range(3)), model)
    files = fill(store, few, model).files
    expected = value(read_state(files[0][0][1]))
    second = {"clip": files[1][0][1], "layer": files[0][0][2], "cache": tmp_path / "moved"}[other]
    if other == "cache":  # of another encoder: the same clip's, of the same shape
        foreign = fill(store, few, tiny_model(seed=1)).files[0][0][1]
        foreign.rename(second)
    first = files[0][0][1]
    spare = tmp_path / "spare"
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    assert first in store.verify()
    found = fill(FeatureCache(store.folder), few, model)
    assert str(first) in capsys.readouterr().out
    torch.testing.assert_close(value(found[0].states[1]), expected, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    "content",
    with_default(
        [b"", b"\xff\xfe\x00", b"[1, 2]", b'{"encoder": "tiny"', b'{"layers": [0]}'], [b"", b'{"layers": [0]}']
    ),
)
def test_garbage_in_a_facts_file_is_found_shown_and_mended(content, corpus, store, monkeypatch, capsys):
    monkeypatch.setenv("SER_TL_CACHE", str(store.folder))
    model = tiny_model()
    few = clips_of(corpus.select(range(2)), model)
    fill(store, few, model)
    facts = sorted(store.folder.glob("*/encoder.json"))[1]
    facts.write_bytes(content)
    assert main(["cache"]) == 0
    assert "?" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 1
    said = capsys.readouterr().out
    assert f"{facts}: damaged" in said
    assert f"0 of {2 * LAYERS} entries damaged, 1 encoder.json too" in said
    assert main(["cache", "verify", "--delete"]) == 0
    assert sum(one.entries for one in store.encoders()) == 2 * LAYERS  # also of what nothing is known
    fill(store, few, model)
    assert store.verify() == []


def test_swapped_facts_are_found(corpus, store):
    model = tiny_model()
    fill(store, clips_of(corpus.select([0]), model), model)
    one, other, _ = sorted(store.folder.glob("*/encoder.json"))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert store.verify() == [one, other]


@pytest.mark.skipif(os.name != "posix", reason="permissions of files are POSIX")
def test_entries_and_facts_can_be_read_by_whom_the_umask_says(corpus, store):
    before = os.umask(0o022)
    try:
        model = tiny_model()
        fill(store, clips_of(corpus.select([0]), model), model)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in store.folder.rglob("*") if path.is_file()}
    assert modes == {0o644}


def test_entries_of_earlier_versions_are_read(tmp_path):
    path, state = tmp_path / "encoder" / "ab" / "abc.safetensors", torch.randn(5, 3)
    write_state(path, state)
    assert set(load_file(path)) == {"mean", "rest"}  # the names that they have had from the beginning
    packed = read_state(path)
    torch.testing.assert_close(packed.mean + packed.residual, state, atol=2e-3, rtol=0)
