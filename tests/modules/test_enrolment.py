"""How far a speaker's mean is believed, and the enrolments that a training makes up."""

import numpy as np
import pytest
import torch

from ser_tl.modules.enrolment import believe, center_speakers, enrolment_sizes, fit_prior, simulate_enrolments


def voices(between, *, speakers=40, clips=30, channels=60, seed=0):
    """Embeddings of unit variance within a speaker, and of a variance of the speakers' means; and the speakers."""
    draw = torch.Generator().manual_seed(seed)
    means = between**0.5 * torch.randn(speakers, channels, generator=draw)
    rows = means.repeat_interleave(clips, dim=0) + torch.randn(speakers * clips, channels, generator=draw)
    return rows, [f"speaker {index // clips}" for index in range(speakers * clips)]


@pytest.mark.parametrize("between", [0.1, 0.25, 1.0])
def test_the_prior_is_the_variance_within_speakers_over_that_between_them(between):
    assert fit_prior(*voices(between)) == pytest.approx(1 / between, rel=0.1)


def test_the_prior_of_unequal_speakers_is_that_of_equal_ones():
    rows, speakers = voices(0.25, speakers=80)
    kept = [row for row, name in enumerate(speakers) if row % 30 < 4 + 26 * (int(name.split()[1]) % 2)]
    assert fit_prior(rows[kept], [speakers[row] for row in kept]) == pytest.approx(4, rel=0.15)


def test_speakers_who_do_not_differ_are_hardly_believed():
    rows, speakers = voices(0.0, speakers=4, channels=3)
    assert fit_prior(rows, speakers) >= 25
    assert fit_prior(rows[:5], list("abcde")) == 1.0  # a clip each: nothing tells voice from clip


def test_the_shrunken_mean_is_nearer_the_speaker_than_no_mean_and_than_the_plain_one():
    rows, speakers = voices(0.25, speakers=200)
    prior, names = fit_prior(rows, speakers), np.asarray(speakers)
    for size in (1, 2, 4, 8):
        errors = {"none": 0.0, "plain": 0.0, "shrunk": 0.0}
        for name in set(speakers):
            clips = torch.from_numpy(np.flatnonzero(names == name))
            truth, mean = rows[clips[size:]].mean(dim=0), rows[clips[:size]].mean(dim=0)
            for way, guess in {"none": 0 * mean, "plain": mean, "shrunk": believe(size, prior) * mean}.items():
                errors[way] += float((guess - truth).square().sum())
        assert errors["shrunk"] < min(errors["none"], errors["plain"])


def test_no_clip_and_no_prior_are_the_ends():
    assert believe(0, 4.0) == 0.0
    assert believe(0, 0.0) == 0.0
    assert believe(3, 0.0) == 1.0
    assert believe(4, 4.0) == 0.5


@pytest.mark.parametrize(("clips", "sizes"), [(1, [0, 1]), (2, [0, 1, 2]), (6, [0, 1, 2, 4, 6]), (8, [0, 1, 2, 4, 8])])
def test_enrolments_that_are_tried(clips, sizes):
    assert enrolment_sizes(clips) == sizes


def test_each_clip_is_enrolled_by_clips_of_its_own_speaker_in_each_number_alike():
    speakers = ["a"] * 10 + ["b"] * 10
    rows = torch.eye(20)
    taken = rows - simulate_enrolments(rows, speakers, 0.0, seed=3)  # of a clip the mean of those it was enrolled with
    assert taken[:10, 10:].abs().max() == taken[10:, :10].abs().max() == 0
    sizes = (taken > 0).sum(dim=1)
    assert all(sorted(sizes[part].tolist()) == [0, 0, 1, 1, 2, 2, 4, 4, 8, 10] for part in (slice(10), slice(10, 20)))
    assert torch.allclose(taken.sum(dim=1), (sizes > 0).float())
    assert torch.equal(simulate_enrolments(rows, speakers, 0.0, seed=3), rows - taken)
    assert not torch.equal(simulate_enrolments(rows, speakers, 0.0, seed=4), rows - taken)


def test_speakers_are_centred_by_all_their_clips_as_far_as_these_are_believed():
    rows, speakers = voices(1.0, speakers=3, clips=4)
    centred = center_speakers(rows, speakers, 4.0)
    for first in (0, 4, 8):
        clips = slice(first, first + 4)
        assert torch.allclose(centred[clips], rows[clips] - 0.5 * rows[clips].mean(dim=0), atol=1e-6)
