"""Lets transformers load a model folder of ser_tl, beside whose config.json a copy of this file lies.

    pipeline("audio-classification", model="name/repo", trust_remote_code=True)

It needs ser_tl installed and only hands over: samples go to `ser_tl.inference.Predictor`, and the logarithms of its
probabilities come back as logits, so that a softmax of them gives the very same probabilities.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from ser_tl.errors import ConfigError
from ser_tl.inference import Predictor
from ser_tl.model import EmotionModel


class SerTlConfig(PreTrainedConfig):
    """A model's config.json, as transformers wants it.

    Args:
        labels: the emotions, in the order of the logits
        others: what ser_tl reads for itself
    """

    model_type = "ser_tl"

    def __init__(self, labels: Sequence[str] = (), **others: Any) -> None:  # noqa: ANN401
        names = dict(enumerate(labels))
        others |= {"id2label": names, "label2id": {label: index for index, label in names.items()}}
        super().__init__(**others)
        self.labels = list(labels)


class SerTlForAudioClassification(PreTrainedModel):
    """An `EmotionModel` behind transformers' interface, for predictions only.

    Shape:
        input_values (B, N) at 16 kHz, attention_mask (B, N) -> logits (B, C)
    """

    config_class = SerTlConfig
    main_input_name = "input_values"
    recognise: EmotionModel

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *_: Any, config: Any = None, **options: Any) -> Self:  # noqa: ANN401
        """The model of a folder or a hub."""
        source, revision = pretrained_model_name_or_path, options.get("revision")
        recognise = EmotionModel.from_pretrained(
            source, revision=None if Path(source).is_dir() else revision, token=options.get("token")
        )
        if not recognise.labels:
            raise ConfigError(
                f"{source}: a model of {', '.join(recognise.dimensions)} alone has no classes for transformers' "
                f"audio-classification: ser_tl's EmotionModel.from_pretrained(...).predict(...) predicts its dimensions"
            )
        config = config or SerTlConfig.from_pretrained(source, revision=revision or "main")
        if config.labels != recognise.labels:  # another model was saved there between the two reads
            config = SerTlConfig(**(config.to_dict() | {"labels": recognise.labels}))
        model = cls(config)
        model.recognise = recognise
        return model.eval()

    @torch.no_grad()
    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None, **_: Any) -> SequenceClassifierOutput:  # noqa: ANN401
        """The logarithms of the emotions' probabilities."""
        lengths = [input_values.shape[1]] * len(input_values)
        if attention_mask is not None:
            lengths = attention_mask.sum(dim=1).tolist()
        clips = [clip[:length].float().cpu().numpy() for clip, length in zip(input_values, lengths, strict=True)]
        predictions = Predictor(self.recognise).predict(clips)
        probabilities = torch.tensor([list(prediction.probabilities.values()) for prediction in predictions])
        return SequenceClassifierOutput(logits=probabilities.log().to(input_values.device))
