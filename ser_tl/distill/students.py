"""The student: loaded or built, initialised from its teacher, and saved in transformers' own layout.

    name, folder or config.json --load_student--> Encoder      copy_layers(teacher, student)
    Encoder --save_student--> config.json, model.safetensors, preprocessor_config.json
                              which `Wav2Vec2Model.from_pretrained` and `load_encoder` load

A student is one of the families of `SpeechSSL`: raw audio goes in, and its folder needs no code of ours.
"""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Wav2Vec2FeatureExtractor

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.encoders import FAMILIES, Encoder, SpeechSSL, Whisper, load_encoder
from ser_tl.errors import ConfigError, EncoderError
from ser_tl.files import follow_umask

CONFIG_FILE = "config.json"
EXTRACTOR_FILE = "preprocessor_config.json"
SMALL_STUDENT = Path(__file__).with_name("distill_student.json")
"""The config of a wav2vec 2.0 that is smaller than the bundled one."""
_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # whole or in shards

# Parts of a transformer layer by their names in Whisper and in the pre-norm layout of wav2vec 2.0.
_WHISPER_PARTS = {
    "self_attn.q_proj": "attention.q_proj",
    "self_attn.k_proj": "attention.k_proj",
    "self_attn.v_proj": "attention.v_proj",
    "self_attn.out_proj": "attention.out_proj",
    "self_attn_layer_norm": "layer_norm",
    "fc1": "feed_forward.intermediate_dense",
    "fc2": "feed_forward.output_dense",
    "final_layer_norm": "final_layer_norm",
}


def load_student(source: str) -> SpeechSSL:
    """The student of a name, folder or hub id; of a config without weights, with random ones.

    Args:
        source: what `load_encoder` takes, a config.json of transformers, or a folder with one and no weights. A
            preprocessor_config.json beside the config tells whether clips are normalised; without one they are

    Raises:
        EncoderError: it can't be loaded, or is of another family than wav2vec 2.0's
    """
    path = Path(source).expanduser()
    config = path / CONFIG_FILE if path.is_dir() else path
    weightless = path.is_dir() and config.is_file() and not any(any(path.glob(name)) for name in _WEIGHTS)
    student = _build_from_config(config) if path.suffix == ".json" or weightless else load_encoder(source)
    if not isinstance(student, SpeechSSL):
        raise EncoderError(
            f"student {source}: a {student.family} encoder can't be a student, which encodes raw audio and is saved in "
            f"transformers' layout: choose wav2vec2, hubert, wavlm, unispeech-sat or data2vec-audio"
        )
    return student


def _build_from_config(path: Path) -> SpeechSSL:
    try:
        architecture = json.loads(path.read_text(encoding="utf-8"))
        beside = path.with_name(EXTRACTOR_FILE)
        extractor = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        model_type = architecture.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderError(f"student {path}: no config can be read there ({error}): name a config.json") from error
    families = sorted(name for name, family in FAMILIES.items() if family is SpeechSSL)
    if model_type not in families:
        raise EncoderError(f"student {path}: its model_type is {model_type!r}; expected one of {', '.join(families)}")
    architecture |= {"add_adapter": False}
    try:
        return SpeechSSL.from_config({"architecture": architecture, "normalise": extractor.get("do_normalize", True)})
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise EncoderError(f"student {path}: transformers can't build this config ({error}): correct it") from error


def save_student(student: SpeechSSL, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes the folder that transformers loads as it is.

    Args:
        student: in any precision
        folder: where to
        dtype: of the weights on disk
    """
    model: Any = copy.deepcopy(student.model).to("cpu", dtype)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(
        sampling_rate=SAMPLE_RATE, do_normalize=student.normalise, return_attention_mask=True
    ).save_pretrained(folder)
    follow_umask(folder)


@torch.no_grad()
def copy_layers(teacher: Encoder, student: SpeechSSL) -> None:
    """Starts the student's transformer layers from the teacher's lowest ones, in place.

    With the same states going in, the same come out: Whisper's layers and those of wav2vec 2.0's pre-norm layout
    compute alike, but for the key's bias, which Whisper hasn't.

    Args:
        teacher: Whisper, or an encoder with layers of the student's own kind
        student: as wide as it, with as many heads and layers at most as many

    Raises:
        ConfigError: the layers don't fit
    """
    student_layers, teacher_layers = student.model.encoder.layers, _teacher_layers(teacher, student)
    if len(student_layers) > len(teacher_layers):
        raise ConfigError(
            f"distill.initial is teacher, but the student has {len(student_layers)} layers and the teacher "
            f"{len(teacher_layers)}: lower num_hidden_layers in the student's config"
        )
    module_names = _WHISPER_PARTS if isinstance(teacher, Whisper) else {}
    for layer, source in zip(student_layers, teacher_layers, strict=False):
        if not module_names:
            layer.load_state_dict(source.state_dict())
        for name, student_name in module_names.items():
            _copy(source.get_submodule(name), layer.get_submodule(student_name))


def _copy(source: nn.Module, target: nn.Module) -> None:
    target.get_parameter("weight").copy_(source.get_parameter("weight"))
    bias = getattr(source, "bias", None)
    target.get_parameter("bias").zero_() if bias is None else target.get_parameter("bias").copy_(bias)


def _teacher_layers(teacher: Encoder, student: SpeechSSL) -> nn.ModuleList:
    student_config = student.model.config
    shape = {
        "hidden_size": student_config.hidden_size,
        "num_attention_heads": student_config.num_attention_heads,
        "intermediate_size": student_config.intermediate_size,
        "hidden_act": student_config.hidden_act,
        "do_stable_layer_norm": student.stable,
    }
    if isinstance(teacher, Whisper):
        teacher_config = teacher.model.config
        names = ("d_model", "encoder_attention_heads", "encoder_ffn_dim", "activation_function")
        wanted = dict(zip(shape, [*(getattr(teacher_config, name) for name in names), True], strict=True))
        layers = teacher.model.layers
    elif isinstance(teacher, SpeechSSL) and teacher.family == student.family:
        wanted = {name: getattr(teacher.model.config, name, False) for name in shape}
        layers = teacher.model.encoder.layers
    else:
        raise ConfigError(
            f"distill.initial is teacher, but layers of {teacher.family} can't be copied into {student.family}: "
            f"copied are Whisper's, and those of the student's own family; leave it out"
        )
    other = [f"{name} {shape[name]} instead of {wanted[name]}" for name in shape if shape[name] != wanted[name]]
    if other:
        raise ConfigError(
            f"distill.initial is teacher, but the student's layers have another shape than the teacher's: "
            f"{', '.join(other)}. Change the student's config, or leave distill.initial out"
        )
    return layers
