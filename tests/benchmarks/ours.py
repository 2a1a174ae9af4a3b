"""What a user of ser_tl calls."""

import time

import torch

import ser_tl as ser
from ser_tl.data.audio import AudioConfig
from ser_tl.data.batch_plan import plan_batches
from ser_tl.data.batching import UtteranceDataset, make_loader
from ser_tl.model import ModelConfig
from ser_tl.options import Options
from ser_tl.training import TrainConfig
from tests.benchmarks.clips import CLASSES, Clips

# The head of transformers' classifier behind its pooling: the last state, one linear layer of 256 before the logits.
SAME_HEAD = ModelConfig(layers=[-1], join="sum", standardise=False, projection=256, head="linear")


def _budget(clips: Clips, batch: int) -> float:
    """Seconds of audio that hold as many clips as a peer's batch, give or take one."""
    return 1.15 * batch * sum(clips.seconds) / len(clips.seconds)


def trained(
    clips: Clips,
    batch: int,
    encoder: str,
    strategy: str,
    *,
    blocks: int | None = None,
    pooling: str = "mean",
    **options,
) -> float:
    """Audio seconds a second of the second epoch of `Trainer.fit`, decoding included."""
    model = ser.EmotionModel.build(encoder, CLASSES, pooling=pooling, config=SAME_HEAD)
    train = TrainConfig(
        epochs=2,
        batch_seconds=_budget(clips, batch),
        keep="last",  # as the peers do: no second copy of the weights
        tracker="none",
        threads=clips.threads,
        **options,
    )
    own = {} if blocks is None else {"blocks": blocks}
    trainer = ser.Trainer(
        model,
        ser.build_strategy(Options(strategy=strategy, strategy_options=own)),
        train,
    )
    corpus = clips.corpus
    history = trainer.fit(corpus, corpus.select([0]))
    return sum(clips.seconds) / history[-1]["seconds"]


def batches(clips: Clips, batch: int):
    """Padded batches of like lengths, as in evaluation, decoded beforehand."""
    heard = UtteranceDataset(clips.corpus, CLASSES, AudioConfig(), training=False)
    return list(make_loader(heard, plan_batches(heard.seconds, _budget(clips, batch))))


@torch.inference_mode()
def encoded(clips: Clips, batch: int, encoder: str) -> float:
    """Audio seconds a second of an encoder, all of its states."""
    model, held = ser.load_encoder(encoder).eval(), batches(clips, batch)
    for _ in range(2):
        begin = time.perf_counter()
        for one in held:
            model(one.waveform, one.lengths)
    return sum(clips.seconds) / (time.perf_counter() - begin)
