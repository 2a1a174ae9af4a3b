"""Each domain's own statistics: measured without labels, for training and for whoever is tested."""

import numpy as np
import pytest
import torch

from ser_tl.data.batching import UtteranceDataset, collate
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import encode_batch, forward_batch
from ser_tl.inference.scoring import corpus_norms
from ser_tl.model import ModelConfig
from ser_tl.runtime.processes import build_accelerator, build_evaluation_pass
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen, Full
from tests.training.samples import interrupted, tiny_model, tone_split, train_config, untimed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"))


def model_with(statistics):
    model = tiny_model(dropout=0.0)
    config = ModelConfig(hidden=16, dropout=0.0, statistics=statistics)
    return type(model)(model.encoder, model.labels, config=config)


def measured(model, corpus):
    clips = UtteranceDataset(corpus, [], model.audio, training=False, domain="speaker")
    config = train_config()
    return clips, corpus_norms(model, corpus, clips, build_evaluation_pass(build_accelerator(config, None), config))


def test_each_speakers_states_and_embeddings_have_zero_mean_and_unit_variance(split):
    model = model_with("speaker").eval()
    clips, norms = measured(model, split.train)
    batch = collate([clips[number] for number in range(len(clips))])
    hidden = encode_batch(model, batch)
    with torch.no_grad():
        norm = norms.lookup(batch.domains, model.standardise_states, model.standardise_embedding)
        states = model.normalize_states(hidden.states, norm)
        embedding = forward_batch(model, batch, norms).embedding
    for speaker in set(split.train["speaker"]):
        own = torch.tensor([name == speaker for name in batch.domains])
        frames = states[:, own][:, hidden.mask[own]]
        assert frames.mean(dim=1).abs().max() < 1e-3
        spread = hidden.states[:, own][:, hidden.mask[own]].std(dim=1) > 0.02  # not those that hardly vary at all
        assert (frames.std(dim=1) - 1)[spread].abs().max() < 0.05
        assert embedding[own].mean(dim=0).abs().max() < 1e-3


def test_a_clip_without_a_domain_has_the_training_speechs_statistics(split):
    model = model_with("speaker").eval()
    clips, norms = measured(model, split.train)
    clip = clips[0]
    with torch.no_grad():
        known, strange, none = (
            forward_batch(model, collate([clip._replace(domain=name)]), norms).logits
            for name in (clip.domain, "nobody", "")
        )
    assert torch.equal(strange, none)
    assert not torch.allclose(known, none)


def test_a_test_speaker_is_standardised_by_his_own_clips_and_the_report_says_so(split):
    trainer = Trainer(model_with("speaker"), Frozen(), train_config(cache=False, epochs=1))
    trainer.fit(split.train, split.dev)
    clip = 0.1 * np.sin(np.arange(8000) / 9).astype(np.float32)
    before = trainer.model.predict(clip).probabilities
    report = trainer.evaluate(split.test)
    assert trainer.model.predict(clip).probabilities == before  # nothing of it stays in the model
    (note,) = report.notes
    assert note.startswith("Adapted without labels")
    assert "1 of them with 9 clips on average" in note
    assert report.facts["statistics"] == "speaker"


def test_too_few_clips_of_a_domain_are_refused_by_name(split):
    few = split.test.select(range(3))
    with pytest.raises(ConfigError, match=r"at least 8 utterances of each; there are fewer of speaker_\d \(3\)"):
        measured(model_with("speaker"), few)


def test_statistics_without_standardising_are_refused():
    with pytest.raises(ConfigError, match=r"model\.standardise is false"):
        ModelConfig(standardise=False, statistics="corpus")


@pytest.mark.exhaustive
def test_a_training_stopped_in_the_middle_goes_on_the_same(split, tmp_path):
    def fit(folder, strategy, *, resume=False):
        trainer = Trainer(model_with("speaker"), strategy, train_config(epochs=2, batch_seconds=8.0), folder)
        return untimed(trainer.fit(split.train, split.dev, resume=resume))

    whole = fit(tmp_path / "whole", Full())
    with pytest.raises(InterruptedError):
        fit(tmp_path / "stopped", interrupted(Full(), 7))
    assert fit(tmp_path / "stopped", Full(), resume=True) == whole
