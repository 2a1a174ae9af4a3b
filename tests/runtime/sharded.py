"""Trainings in shares beside the same ones with whole models, for two processes.

    torchrun --standalone --nproc_per_node 2 -m tests.runtime.sharded ROOT OUTPUT WAY ...

trains on the tones under ROOT twice in each way, interrupts and resumes a training, and writes OUTPUT/result.json: the
largest differences, and what share of its weights a process held. `adamw` is always among the ways; `all` are all.
"""

import argparse
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from transformers import WavLMConfig, WavLMModel

from ser_tl.encoders import SpeechSSL
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.runtime.sharding import Shards
from ser_tl.training import Trainer, seed_everything
from ser_tl.transfer import STRATEGIES, AlignmentConfig
from tests.training.samples import BRIEF, TONES, interrupted, tiny_model, tone_split, train_config, untimed


def tiny_wavlm() -> EmotionModel:
    """A random WavLM, whose first layer holds what all need."""
    seed_everything(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    front = {"conv_dim": (8, 8), "conv_stride": (20, 16), "conv_kernel": (20, 16)}
    places = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    encoder = SpeechSSL(WavLMModel(WavLMConfig(**shape, **front, **places, layerdrop=0.0)), normalise=True)
    return EmotionModel(encoder, list(TONES), config=ModelConfig(hidden=16))


def by_speaker() -> EmotionModel:
    """A model that standardises each speaker's clips by statistics of their own."""
    return EmotionModel(tiny_model().encoder, list(TONES), config=ModelConfig(hidden=16, statistics="speaker"))


@dataclass
class Way:
    """How to train: a strategy and its options, a model, options of the training, an alignment."""

    strategy: str = "full"
    own: dict[str, Any] = field(default_factory=dict)
    build: Any = tiny_model
    train: dict[str, Any] = field(default_factory=dict)
    alignment: str = "none"

    def run(self, split, folder=None, *, shard, resume=False, stop=None) -> Trainer:
        """A trainer after its training; `stop` is the step that interrupts it."""
        strategy = STRATEGIES[self.strategy](**self.own)
        # RAdam's first steps are in proportion to the gradient; AdamW makes whole steps of rounding errors.
        usual = BRIEF | {"shard": shard, "cache": False, "optimizer": "radam", "save_every": 1}
        config = train_config(**(usual | self.train))
        aligned = AlignmentConfig(method=self.alignment, guard=False)
        strategy = strategy if stop is None else interrupted(strategy, stop)
        trainer = Trainer(self.build(), strategy, config, folder, alignment=aligned)
        seed_everything(1)
        with suppress(InterruptedError):
            trainer.fit(split.train, split.dev, None if self.alignment == "none" else split.test, resume=resume)
        return trainer


WAYS = {
    "full": Way(),
    "progressive": Way("progressive", {"every": 1}),
    "lora": Way("lora"),
    "partial": Way("partial", {"blocks": 1}),
    "frozen": Way("frozen"),
    "ia3": Way("ia3"),
    "wavlm": Way(build=tiny_wavlm),
    "wavlm lora": Way("lora", build=tiny_wavlm),
    "speaker statistics": Way(build=by_speaker),
    "bf16": Way(train={"precision": "bf16"}),
    "checkpointing": Way(train={"checkpointing": True}),
    "accumulate": Way(train={"accumulate": 2}),
    "adamw": Way(train={"optimizer": "adamw"}),
    "dann": Way(alignment="dann"),
    "mmd": Way(alignment="mmd"),
}


# Added to all scores before a softmax over time, it cancels: its gradient is rounding alone, which optimizers scale up.
WITHOUT_GRADIENT = "pooling.attend.score.2.bias"


def apart(one: Trainer, other: Trainer) -> float:
    """The largest difference of any weight or statistic that a loss depends on.

    The outlier score doesn't count: it follows from these, and its directions are as good rotated.
    """
    whole, second = one.model.state_dict(), other.model.state_dict()
    assert list(whole) == list(second)
    assert not any(isinstance(tensor, DTensor) for tensor in second.values())
    names = [name for name in whole if name != WITHOUT_GRADIENT and not name.startswith("outliers.")]
    return max(float((whole[name] - second[name]).abs().max()) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("ways", nargs="+")
    options = parser.parse_args()
    takes = 3 if options.ways == ["all"] else 1  # statistics of a speaker's own take eight clips
    split = tone_split(options.root, takes=takes)
    held: list[float] = []
    scatter = Shards.scatter

    def measured(shards):
        scatter(shards)
        parameters = list(shards.sharded.parameters())
        held.append(sum(one.to_local().numel() for one in parameters) / sum(one.numel() for one in parameters))

    Shards.scatter = measured
    differences, run = {}, options.output / "run"
    for name in WAYS if options.ways == ["all"] else ["adamw", *options.ways]:
        whole, shared = (WAYS[name].run(split, shard=shard) for shard in (False, True))
        differences[name] = apart(whole, shared)
        if name == "adamw":
            sharded = shared
    report = sharded.evaluate(split.test)
    WAYS["adamw"].run(split, run, shard=True, stop=5)
    resumed = WAYS["adamw"].run(split, run, shard=True, resume=True)
    result = {
        "differences": differences | {"resumed": apart(sharded, resumed)},
        "held": max(held),
        "probabilities": report.predictions.probabilities.tolist(),
        "histories": [untimed(trainer.history) for trainer in (sharded, resumed)],
    }
    if sharded.accelerator.is_main_process:
        sharded.model.save_pretrained(options.output / "model")
        (options.output / "result.json").write_text(json.dumps(result))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
