"""A model can't tell few frames from all of them, where it is given few; where it could, it is given all."""

import pytest
import torch

from ser_tl.cache.cached import CachedClips
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.keys import find_cacheable_layers
from ser_tl.cache.pooled import REDUCE, PooledClips, pool_clips
from ser_tl.data.audio import AudioConfig
from ser_tl.data.batch_plan import plan_batches
from ser_tl.data.batching import UtteranceDataset, collate
from ser_tl.inference.clips import forward_batch
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.pooling import POOLINGS
from ser_tl.runtime.processes import build_accelerator
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen, Partial
from tests.combinations import each_value_once
from tests.encoders.tiny import tiny
from tests.training.samples import TONES, tone_corpus, tone_split, train_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), speakers=2)


def build(pooling, **options) -> EmotionModel:
    """A model whose standardisation and layer weights are no longer the identity."""
    torch.manual_seed(0)
    model = EmotionModel(
        tiny("whisper"), list(TONES), pooling=pooling, config=ModelConfig(**({"hidden": 16} | options))
    )
    with torch.no_grad():
        model.mix.scores.normal_()
        if model.standardise_states is not None:
            model.standardise_states.mean.normal_()
            model.standardise_states.deviation.uniform_(0.3, 2.0)
    return model.eval()


def cached(corpus, model, strategy=None, *, max_seconds=12.0) -> CachedClips:
    clips = UtteranceDataset(corpus, model.labels, AudioConfig(max_seconds=max_seconds), training=True, seed=3)
    layers = find_cacheable_layers(model, (strategy or Frozen()).trainable_blocks(model))
    return FeatureCache().fill(clips, model.encoder, layers, build_accelerator(train_config(), None), train_config())


@pytest.mark.parametrize(
    ("pooling", "options"),
    each_value_once(sorted(REDUCE), [{}, {"layers": [3, 1]}, {"standardise": False}, {"layers": [2], "join": "sum"}]),
    ids=str,
)
def test_pooled_vectors_and_gradients_are_those_of_all_frames(corpus, pooling, options):
    model = build(pooling, **options)
    clips = cached(corpus, model)
    few = pool_clips(clips, model)
    assert isinstance(few, PooledClips)
    assert len(few) == len(clips)
    assert few.seconds == pytest.approx([sum(clips.seconds) / len(clips)] * len(clips))
    short, long = (collate([one[place] for place in range(len(clips))]).to("cpu") for one in (few, clips))
    assert (short.ids, short.labels.tolist()) == (long.ids, long.labels.tolist())
    assert short.mask.shape[1] <= 2 < long.mask.shape[1]
    results = []
    for batch in (short, long):
        output = forward_batch(model, batch)
        weights = torch.linspace(-1.0, 1.0, output.logits.numel()).view_as(output.logits)
        parameters = [model.mix.scores, *model.head.parameters()]
        gradients = torch.autograd.grad((output.logits * weights).sum(), parameters, allow_unused=True)
        results.append([output.embedding, output.logits, *(part for part in gradients if part is not None)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


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
def test_clips_keep_their_frames_where_it_makes_a_difference(corpus, pooling, options, strategy):
    model = build(pooling, **options)
    clips = cached(corpus, model, strategy)
    assert pool_clips(clips, model) is clips
    assert pool_clips(clips.clips, build("stats")) is clips.clips


def test_a_clip_is_read_once_and_windows_are_drawn_as_before(corpus, monkeypatch):
    model = build("stats")
    clips = cached(corpus, model, max_seconds=0.2)
    few = pool_clips(clips, model)
    reads = []
    read = CachedClips.read
    monkeypatch.setattr(CachedClips, "read", lambda self, *place: reads.append(place) or read(self, *place))
    for epoch in range(6):
        few.epoch = epoch
        assert clips.epoch == epoch
        for place in range(len(few)):
            state = read(clips, place, clips.window(place))[1]
            held = few[place].states[1]
            torch.testing.assert_close(
                held.mean + held.residual.mean(dim=0), state.mean + state.residual.float().mean(dim=0)
            )
    assert len(reads) == len(set(reads)) > len(few)


@pytest.mark.exhaustive
def test_a_training_on_few_frames_is_one_on_all(tmp_path, monkeypatch):
    split = tone_split(tmp_path, takes=1)
    monkeypatch.setattr(PooledClips, "seconds", CachedClips.seconds)  # the same batches on both sides

    def losses():
        trainer = Trainer(build("stats"), Frozen(), train_config(epochs=2))
        history = trainer.fit(split.train, split.dev)
        return [record[name] for record in history for name in ("train_loss", "dev_loss")]

    few = losses()
    monkeypatch.setattr("ser_tl.training.features.pool_clips", lambda clips, _: clips)
    monkeypatch.setattr("ser_tl.training.features.find_reduction", lambda _: None)
    assert few == pytest.approx(losses(), abs=2e-3)


def test_batches_are_drawn_from_clips_of_any_length(corpus):
    clips = cached(corpus, build("stats"))
    lengths = [0.5 + 0.1 * place for place in range(len(clips))]
    clips.clips.segments = [
        (row, 0.0, length) for (row, _, _), length in zip(clips.clips.segments, lengths, strict=True)
    ]
    few = pool_clips(clips, build("stats"))
    batches = [batch for (batch,) in plan_batches(few.seconds, 4 * few.seconds[0], shuffle=(0, 0))]
    spans = [max(batch) - min(batch) for batch in batches]
    assert max(spans) > len(clips) / 2  # in batches of like length, which have neighbours alone, it is a few clips
    assert sorted(clip for batch in batches for clip in batch) == list(range(len(clips)))
