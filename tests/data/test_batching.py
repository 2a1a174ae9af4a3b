"""Plans that waste little and lose nothing, clips of the right stretch, and no randomness but the seed's."""

import random

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.data.audio import AudioConfig
from ser_tl.data.batch_plan import join_windows, padding_share, plan_batches
from ser_tl.data.batching import Batch, Clip, PackedState, UtteranceDataset, collate, make_loader
from ser_tl.data.schema import build_corpus
from ser_tl.errors import AudioError

LABELS = ["anger", "fear", "neutral"]

lengths = st.lists(st.floats(0.05, 40), min_size=1, max_size=60)
modes = st.none() | st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 50))
counts = st.integers(1, 5)


def batches_of(plan):
    return [batch for step in plan for batch in step if batch]


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(seconds=lengths, budget=st.floats(0.5, 60), shuffle=modes, processes=counts)
def test_plans_hold_every_clip_once_and_give_every_process_its_place(seconds, budget, shuffle, processes):
    plan = plan_batches(seconds, budget, shuffle=shuffle, processes=processes)
    assert sorted(clip for batch in batches_of(plan) for clip in batch) == list(range(len(seconds)))
    assert {len(step) for step in plan} == {processes}
    assert all(all(step) for step in plan[:-1])
    if shuffle and len(seconds) >= processes:
        assert all(plan[-1])


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(seconds=lengths, budget=st.floats(0.5, 60), shuffle=modes, processes=counts)
def test_batches_keep_the_budget_unless_a_clip_is_alone(seconds, budget, shuffle, processes):
    batches = batches_of(plan_batches(seconds, budget, shuffle=shuffle, processes=processes))
    above = [one for one in batches if len(one) > 1 and max(seconds[clip] for clip in one) * len(one) > budget]
    if above:  # no batch could be halved any more, and a process would have been left without one
        assert shuffle
        assert len(seconds) % processes
        assert len(above) < processes
        assert {len(one) for one in batches} <= {1, 2}


def test_the_shortest_of_single_clips_share_batches_when_processes_would_run_dry():
    plan = plan_batches([10.0, 7.0, 9.0, 8.0, 6.0], 10.0, shuffle=(0, 0), processes=3)
    assert sorted(sorted(batch) for batch in batches_of(plan)) == [[0], [1, 4], [2, 3]]


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(seconds=lengths, shuffle=modes, processes=counts)
def test_a_plan_follows_from_its_arguments_alone(seconds, shuffle, processes):
    first = plan_batches(seconds, 20.0, shuffle=shuffle, processes=processes)
    np.random.random()
    assert plan_batches(np.array(seconds), 20.0, shuffle=shuffle, processes=processes) == first


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 100), processes=st.integers(1, 3))
def test_another_epoch_and_another_seed_make_other_batches(seed, epoch, processes):
    seconds = np.random.default_rng(1).uniform(2.9, 5.3, 100)

    def members(*shuffle):
        return {frozenset(one) for one in batches_of(plan_batches(seconds, 30.0, shuffle=shuffle, processes=processes))}

    assert len(members(seed, epoch) & members(seed, epoch + 1)) <= 2
    assert len(members(seed, epoch) & members(seed + 1, epoch)) <= 2


def test_in_evaluation_long_clips_come_first_and_ties_keep_their_order():
    assert plan_batches([1.0, 3.0, 1.0, 2.0], 3.0) == [[[1]], [[3]], [[0, 2]]]
    assert plan_batches([1.0, 3.0, 1.0, 2.0], 3.0, processes=2) == [[[1], [3]], [[0, 2], []]]


def test_clips_fewer_than_processes_leave_some_without():
    plan = plan_batches([1.0, 2.0], 60.0, shuffle=(0, 0), processes=4)
    assert sorted(map(len, plan[0])) == [0, 0, 1, 1]


@pytest.mark.parametrize("shuffle", [None, (0, 0), (0, 1), (7, 30)])
@pytest.mark.parametrize("processes", [1, 2])
def test_little_is_padding(shuffle, processes):
    seconds = np.random.default_rng(0).uniform(2.9, 5.3, 1000).tolist()  # as RAVDESS
    plan = plan_batches(seconds, 60.0, shuffle=shuffle, processes=processes)
    assert 0.0 < padding_share(seconds, plan) < 0.10
    assert len(plan) * processes < 1.15 * sum(seconds) / 60 + processes  # and not because batches are small


def test_the_share_of_padding_is_counted_by_batch():
    assert padding_share([1.0, 3.0, 2.0, 2.0], [[[0, 1], [2]], [[3], []]]) == pytest.approx(2 / 10)


def clip(samples, label=0, name="a"):
    return Clip(torch.arange(1.0, samples + 1), label, name)


def test_states_are_collated_as_they_are_kept_and_whole_on_the_device():
    draw = torch.Generator().manual_seed(0)

    def held(frames, kind=torch.float16):
        return {
            layer: PackedState(100.0 + torch.rand(1, 3, generator=draw), torch.rand(frames, 3, generator=draw).to(kind))
            for layer in (4, 1)
        }

    clips = [Clip(torch.empty(0), 0, name, held(count)) for name, count in (("a", 5), ("b", 2), ("c", 7))]
    batch = collate(clips)
    assert (batch.layers, batch.states.shape, batch.states.dtype) == ((1, 4), (2, 3, 7, 3), torch.float16)
    assert batch.mask.sum(dim=1).tolist() == [5, 2, 7]
    assert not batch.states[:, ~batch.mask].any()
    for whole in (batch.to("cpu"), batch.to("cpu").to("cpu")):
        assert whole.states.dtype == torch.float32
        assert whole.means is None
        for row, clip in enumerate(clips):
            for place, layer in enumerate(batch.layers):
                state = clip.states[layer]
                assert torch.equal(whole.states[place, row, batch.mask[row]], state.mean + state.residual)
    loud = collate([*clips, Clip(torch.empty(0), 0, "d", held(3, torch.float32))])
    assert loud.states.dtype == torch.float32
    assert torch.equal(loud.states[:, :3], batch.states.float())
    assert torch.equal(loud.to("cpu").states, loud.to("cpu").states)


def test_collate_pads_with_zeros_behind_each_clip():
    batch = collate([clip(3, 2, "a"), clip(5, -1, "b"), clip(1, 0, "a")])
    assert batch.waveform.tolist() == [[1, 2, 3, 0, 0], [1, 2, 3, 4, 5], [1, 0, 0, 0, 0]]
    assert batch.lengths.tolist() == [3, 5, 1]
    assert batch.labels.tolist() == [2, -1, 0]
    assert batch.ids == ["a", "b", "a"]
    assert (batch.lengths.dtype, batch.labels.dtype) == (torch.int64, torch.int64)


def test_a_batch_counts_its_seconds_without_padding_and_moves_as_one():
    batch = collate([clip(16000), clip(8000)])
    assert batch.seconds == 1.5
    moved = batch.to("meta")
    assert isinstance(moved, Batch)
    assert {tensor.device.type for tensor in (moved.waveform, moved.lengths, moved.labels)} == {"meta"}
    assert moved.ids == batch.ids


@pytest.fixture
def utterances(record):
    """Makes the clips of (seconds, emotion, start, end) rows, and gives them with the files' samples."""

    def make(*rows, training=False, seed=0, labels=LABELS, **config):
        paths = [record(seconds) for seconds, *_ in rows]
        corpus = build_corpus(
            [
                {"id": f"u{place}", "audio": path, "emotion": emotion, "speaker": "s", "corpus": "c", "language": "en"}
                | dict(zip(("start", "end"), times, strict=False))
                for place, (path, (_, emotion, *times)) in enumerate(zip(paths, rows, strict=True))
            ],
            source="test",
        )
        clips = UtteranceDataset(corpus, labels, AudioConfig(**config), training=training, seed=seed)
        return clips, [soundfile.read(path, dtype="float32")[0] for path in paths]

    return make


def stretch(clip, samples):
    """Where the clip lies in the file, in samples."""
    waveform = clip.waveform.numpy()
    starts = [
        start
        for start in np.flatnonzero(samples == waveform[0])
        if np.array_equal(samples[start : start + len(waveform)], waveform)
    ]
    assert len(starts) == 1, "the clip is no stretch of the file"
    return int(starts[0]), int(starts[0]) + len(waveform)


@pytest.mark.parametrize("training", [True, False])
def test_short_utterances_are_one_whole_clip(utterances, training):
    clips, samples = utterances((1.0, "fear"), (0.5, "anger", 0.125, 0.375), training=training)
    assert [stretch(clips[place], samples[place]) for place in range(2)] == [(0, 16000), (2000, 6000)]
    assert clips.seconds == [1.0, 0.25]
    assert [clips[place].label for place in range(2)] == [1, 0]
    assert [clips[place].id for place in range(2)] == ["u0", "u1"]
    assert clips[0].waveform.dtype == torch.float32


def test_windows_cover_a_long_utterance_in_evaluation(utterances):
    clips, samples = utterances((2.5, "fear"), (0.5, "anger"), (4.0, "fear", 1.0, 3.0), max_seconds=1.0)
    found = [stretch(clips[place], samples[clips.segments[place][0]]) for place in range(len(clips))]
    windows = [(0, 16000), (12000, 28000), (24000, 40000)]
    assert found == [*windows, (0, 8000), (16000, 32000), (32000, 48000)]
    assert [clips[place].id for place in range(6)] == ["u0", "u0", "u0", "u1", "u2", "u2"]
    assert [len(clips[place].waveform) / 16000 for place in range(6)] == clips.seconds


def test_the_centre_is_the_middle_of_the_utterance(utterances):
    rows = [(2.5, "fear"), (0.5, "anger"), (4.0, "fear", 1.0, 4.0)]
    clips, samples = utterances(*rows, max_seconds=1.0, evaluation="centre")
    assert [stretch(clips[place], samples[place]) for place in range(3)] == [(12000, 28000), (0, 8000), (32000, 48000)]
    assert clips.seconds == [1.0, 0.5, 1.0]


def crops(clips, epoch):
    clips.epoch = epoch
    return [clips[place] for place in range(len(clips))]


def test_crops_are_random_by_epoch_and_stay_within_the_utterance(utterances):
    clips, samples = utterances((3.0, "fear"), (4.0, "fear", 1.0, 2.5), training=True, max_seconds=1.0)
    assert len(clips) == 2
    assert clips.seconds == [1.0, 1.0]
    places = [
        [stretch(one, held) for one, held in zip(crops(clips, epoch), samples, strict=True)] for epoch in range(8)
    ]
    assert all(end - start == 16000 for epoch in places for start, end in epoch)
    assert all(start >= 16000 and end <= 40000 for _, (start, end) in places)
    assert len({start for (start, _), _ in places}) == len({start for _, (start, _) in places}) == 8
    assert max(start for (start, _), _ in places) - min(start for (start, _), _ in places) > 8000


def test_crops_follow_from_seed_and_epoch(utterances):
    clips, _ = utterances((3.0, "fear"), (3.0, "fear"), training=True, max_seconds=1.0, seed=5)
    same = UtteranceDataset(clips.corpus, LABELS, clips.config, training=True, seed=5)
    other = UtteranceDataset(clips.corpus, LABELS, clips.config, training=True, seed=6)
    first = crops(clips, 3)
    assert all(torch.equal(one.waveform, two.waveform) for one, two in zip(first, crops(same, 3), strict=True))
    assert not any(torch.equal(one.waveform, two.waveform) for one, two in zip(first, crops(other, 3), strict=True))


def test_emotions_are_numbered_by_the_labels_and_strangers_are_minus_one(utterances):
    clips, _ = utterances((0.1, "calm"), (0.1, "neutral"), (0.1, "anger"), labels=["neutral", "anger"])
    assert [clips[place].label for place in range(3)] == [-1, 0, 1]


@pytest.mark.parametrize("training", [True, False])
def test_clips_are_normalised_one_by_one(utterances, training):
    clips, _ = utterances((2.5, "fear"), (0.5, "fear"), training=training, max_seconds=1.0, normalise="peak")
    peaks = [clips[place].waveform.abs().max().item() for place in range(len(clips))]
    assert peaks == pytest.approx([1.0] * len(clips))


@pytest.mark.parametrize("how", ["none", "peak", "rms"])
def test_a_pause_that_fills_a_window_is_no_broken_audio(tmp_path, how):
    path = tmp_path / "pause.wav"
    soundfile.write(path, np.concatenate([np.full(16000, 0.1), np.zeros(32000)]), 16000)
    row = {"audio": path, "emotion": "fear", "speaker": "s", "corpus": "c", "language": "en"}
    whole, silent = (
        build_corpus([row | {"id": "u", "start": start}], source="test") for start in (0.0, 1.0)
    )  # the second has nothing but the pause
    config = AudioConfig(max_seconds=1.0, normalise=how)
    clips = UtteranceDataset(whole, LABELS, config, training=False)
    assert [clips[place].waveform.abs().max().item() > 0 for place in range(3)] == [True, False, False]
    training = UtteranceDataset(whole, LABELS, config, training=True)
    assert all(one.waveform.isfinite().all() for epoch in range(5) for one in crops(training, epoch))
    with pytest.raises(AudioError, match="silent"):
        UtteranceDataset(silent, LABELS, AudioConfig(normalise=how), training=True)[0]


def test_the_loader_follows_the_plan_of_its_process(utterances):
    clips, _ = utterances(*[(0.1 + 0.05 * place, "fear") for place in range(6)])
    plan = [[[0, 1], [5]], [[4], [2, 3]], [[], [0]]]
    first = list(make_loader(clips, plan))
    assert [batch.ids for batch in first] == [["u0", "u1"], ["u4"]]
    assert [batch.ids for batch in make_loader(clips, plan, process=1)] == [["u5"], ["u2", "u3"], ["u0"]]
    assert first[0].lengths.tolist() == [1600, 2400]
    assert torch.equal(next(make_loader(clips, plan[1:])).waveform, first[1].waveform)  # as a resumed run begins


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_the_loader_draws_nothing_from_the_global_generators(utterances, workers):
    clips, _ = utterances((0.3, "fear"), (0.3, "fear"), (0.1, "fear"), training=True, max_seconds=0.2)
    plan = plan_batches(clips.seconds, 0.4, shuffle=(0, 0))
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    batches = list(make_loader(clips, plan, workers=workers))
    assert len(batches) == len(plan) == 2
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), str(np.random.get_state())) == before[1:]


def test_workers_decode_the_same(utterances):
    clips, _ = utterances((0.4, "fear"), (0.4, "anger"), training=True, max_seconds=0.2)
    clips.epoch = 4
    alone, helped = (list(make_loader(clips, [[[0]], [[1]]], workers=workers)) for workers in (0, 1))
    assert all(torch.equal(one.waveform, two.waveform) for one, two in zip(alone, helped, strict=True))
    assert [batch.ids for batch in helped] == [["u0"], ["u1"]]


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from("zyxab"), min_size=1, max_size=20))
def test_windows_are_averaged_and_utterances_keep_their_first_places(ids):
    probabilities = np.random.default_rng(len(ids)).dirichlet(np.ones(3), len(ids))
    names, joined = join_windows(ids, probabilities)
    assert names == list(dict.fromkeys(ids))
    for name, row in zip(names, joined, strict=True):
        assert row == pytest.approx(probabilities[[held == name for held in ids]].mean(axis=0))
    assert joined.sum(axis=1) == pytest.approx(np.ones(len(names)))


def test_targets_travel_with_their_clips(tmp_path):
    assert collate([clip(3), clip(5)]).targets is None
    soft = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
    batch = collate([clip(3)._replace(target=soft[1]), clip(5)._replace(target=soft[0])])
    assert torch.equal(batch.targets, soft.flip(0))
    assert torch.equal(batch.to("cpu").targets, batch.targets)
    soundfile.write(tmp_path / "a.wav", 0.1 * np.ones(16000), 16000)
    row = {"audio": tmp_path / "a.wav", "speaker": "s", "corpus": "c", "language": "en"}
    corpus = build_corpus(
        [row | {"id": name, "emotion": emotion} for name, emotion in (("a", "fear"), ("b", "anger"))], source=""
    )
    clips = UtteranceDataset(corpus, LABELS, AudioConfig(), training=True, targets=soft.numpy())
    assert torch.equal(torch.stack([clips[place].target for place in (0, 1)]), soft)
