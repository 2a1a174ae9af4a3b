"""What transformers' examples do with the same clips."""

import time

import torch
from transformers import (
    AutoModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperFeatureExtractor,
)

from ser_tl.data.audio import SAMPLE_RATE
from tests.benchmarks.clips import CLASSES, Clips


class _Clock(TrainerCallback):
    seconds: float = 0.0

    def on_epoch_begin(self, *_, **__):
        self._begin = time.perf_counter()

    def on_epoch_end(self, *_, **__):
        self.seconds = time.perf_counter() - self._begin


def trained(clips: Clips, batch: int, frozen: str = "", *, bf16: bool = False) -> float:
    """Audio seconds a second of the second epoch of the audio-classification example's Trainer, decoding included."""
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(clips.base)
    model = Wav2Vec2ForSequenceClassification.from_pretrained(clips.base, num_labels=len(CLASSES))
    model.accepts_loss_kwargs = False  # else it trains on scaled gradients
    if frozen:
        {"front end": model.freeze_feature_encoder, "encoder": model.freeze_base_model}[frozen]()

    def collate(rows):
        waveforms = [clips.waveform(number) for number in rows]
        values = extractor(waveforms, sampling_rate=SAMPLE_RATE, padding=True, return_tensors="pt").input_values
        return {"input_values": values, "labels": torch.tensor([number % len(CLASSES) for number in rows])}

    clock = _Clock()
    arguments = TrainingArguments(
        f"{clips.folder}/trainer",
        num_train_epochs=2,
        per_device_train_batch_size=batch,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        bf16=bf16,
        remove_unused_columns=False,
    )
    data = list(range(len(clips.seconds)))
    Trainer(model, arguments, data_collator=collate, train_dataset=data, callbacks=[clock]).train()
    return sum(clips.seconds) / clock.seconds


@torch.inference_mode()
def whisper(clips: Clips, batch: int, encoder: str) -> float:
    """Audio seconds a second of Whisper's encoder as transformers feeds it: every clip padded to 30 s."""
    extractor = WhisperFeatureExtractor.from_pretrained(encoder)
    model = AutoModel.from_pretrained(encoder, dtype=torch.float32).get_encoder().eval()  # published in float16
    held = [clips.waveform(number) for number in range(len(clips.seconds))]
    for _ in range(2):
        begin = time.perf_counter()
        for first in range(0, len(held), batch):
            features = extractor(held[first : first + batch], sampling_rate=SAMPLE_RATE, return_tensors="pt")
            model(features.input_features, output_hidden_states=True)
    return sum(clips.seconds) / (time.perf_counter() - begin)
