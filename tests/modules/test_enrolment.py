"""How far a speaker's mean is believed, and the enrolments that a training makes up."""

import numpy as np
import pytest
import torch

from ser_tl.modules.enrolment import enrolment_sizes, fit_prior, simulate_enrolments
from ser_tl.modules.feature_norm import SpeakerPrior


def voices(between, *, speakers=40, clips=30, channels=60, seed=0):
    """Embeddings of unit variance within a speaker, and of a variance of the speakers' means; and the speakers."""
    draw = torch.Generator().manual_seed(seed)
    means = between**0.5 * torch.randn(speakers, channels, generator=draw)
    rows = means.repeat_interleave(clips, dim=0) + torch.randn(speakers * clips, channels, generator=draw)
    return rows, [f"speaker {index // clips}" for index in range(speakers * clips)]


@pytest.mark.parametrize("between", [0.1, 0.25, 1.0])
def test_the_prior_is_the_variance_within_speakers_over_that_between_them(between):
    assert fit_prior(*voices(between), rank=0).clips == pytest.approx(1 / between, rel=0.1)


def test_the_prior_of_unequal_speakers_is_that_of_equal_ones():
    rows, speakers = voices(0.25, speakers=80)
    kept = [row for row, name in enumerate(speakers) if row % 30 < 4 + 26 * (int(name.split()[1]) % 2)]
    assert fit_prior(rows[kept], [speakers[row] for row in kept], 0).clips == pytest.approx(4, rel=0.15)


def test_speakers_who_do_not_differ_are_hardly_believed():
    rows, speakers = voices(0.0, speakers=4, channels=3)
    assert fit_prior(rows, speakers).clips >= 25
    prior = fit_prior(rows[:5], list("abcde"))  # a clip each: nothing tells voice from clip
    assert torch.isfinite(prior(rows[:5], torch.ones(5))).all()


def errors(prior, rows, speakers, size):
    """The mean squared error of guesses at each speaker's mean from so many clips."""
    names, found = np.asarray(speakers), {"none": 0.0, "plain": 0.0, "prior": 0.0}
    for name in set(speakers):
        clips = torch.from_numpy(np.flatnonzero(names == name))
        truth, mean = rows[clips[size:]].mean(dim=0), rows[clips[:size]].mean(dim=0)
        taken = prior(mean[None], torch.tensor([size]))[0]
        for way, guess in {"none": 0 * mean, "plain": mean, "prior": taken}.items():
            found[way] += float((guess - truth).square().sum())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 8])
def test_what_is_taken_out_is_nearer_the_speaker_than_nothing_and_than_the_plain_mean(rank):
    rows, speakers = voices(0.25, speakers=200)
    prior = fit_prior(rows, speakers, rank)
    for size in (1, 2, 4, 8):
        found = errors(prior, rows, speakers, size)
        assert found["prior"] < min(found["none"], found["plain"])


@pytest.mark.slow
def test_directions_in_which_clips_differ_and_speakers_do_not_are_left_alone():
    rows, speakers = voices(0.5, speakers=200)
    emotion = torch.nn.functional.one_hot(torch.arange(len(rows)) % 3, rows.shape[1]).float()
    loud = rows + 12 * (emotion - emotion.mean(dim=0))
    plain, directed = (fit_prior(loud, speakers, rank) for rank in (0, 8))
    mean, size = loud[:1], torch.tensor([1])
    assert directed(mean, size)[0, :3].abs().max() < 0.5 * plain(mean, size)[0, :3].abs().max()
    assert errors(directed, loud, speakers, 1)["prior"] < 0.9 * errors(plain, loud, speakers, 1)["prior"]


def test_class_means_are_of_clips_without_their_speakers():
    rows, speakers = voices(4.0)
    labels = torch.arange(len(rows)) % 3
    shifts = torch.tensor([[2.0], [0.0], [-2.0]]) * torch.ones(60)
    prior = fit_prior(rows + shifts[labels], speakers, 8, labels=labels, classes=3)
    torch.testing.assert_close(prior.class_means, shifts, atol=0.25, rtol=0)


def test_coordinates_along_the_directions_come_back():
    prior = fit_prior(*voices(0.25), rank=8)
    torch.testing.assert_close(prior.analysis @ prior.synthesis, torch.eye(8), atol=1e-4, rtol=0)
    everything = prior(torch.randn(1, 60), torch.tensor([10**9]))
    assert prior(torch.randn(2, 60), torch.tensor([0, 0])).abs().max() == 0
    torch.manual_seed(0)
    mean = torch.randn(1, 60)
    torch.testing.assert_close(prior(mean, torch.tensor([10**9])), mean, atol=1e-3, rtol=1e-3)
    assert everything.isfinite().all()


@pytest.mark.parametrize(("clips", "sizes"), [(1, [0, 1]), (2, [0, 1, 2]), (6, [0, 1, 2, 4, 6]), (8, [0, 1, 2, 4, 8])])
def test_enrolments_that_are_tried(clips, sizes):
    assert enrolment_sizes(clips) == sizes


def test_each_clip_is_enrolled_by_clips_of_its_own_speaker_in_each_number_alike():
    speakers = ["a"] * 10 + ["b"] * 10
    rows, prior = torch.eye(20), SpeakerPrior(20, 0)
    prior.rest.fill_(1e9)  # every mean is believed
    taken = rows - simulate_enrolments(rows, speakers, prior, seed=3)  # of a clip the mean of those it is enrolled by
    assert taken[:10, 10:].abs().max() == taken[10:, :10].abs().max() == 0
    sizes = (taken > 1e-6).sum(dim=1)
    assert all(sorted(sizes[part].tolist()) == [0, 0, 1, 1, 2, 2, 4, 4, 8, 10] for part in (slice(10), slice(10, 20)))
    assert torch.allclose(taken.sum(dim=1), (sizes > 0).float(), atol=1e-5)
    assert torch.equal(taken.diagonal() > 1e-6, sizes == 10)  # itself is among all of them alone
    assert torch.equal(simulate_enrolments(rows, speakers, prior, seed=3), rows - taken)
    assert not torch.equal(simulate_enrolments(rows, speakers, prior, seed=4), rows - taken)
