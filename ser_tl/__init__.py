"""Transfer learning for speech emotion recognition, on pretrained audio encoders.

    import ser_tl as ser

    ser.Predictor("runs/mine/model").predict(["clip.wav"])[0].label

The names below are the toolkit; recipes/finetune_wav2vec2.py shows how they go together. They load when they are first
used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING
from warnings import warn

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ser_tl.analysis import extract_embeddings as extract_embeddings
    from ser_tl.analysis import plot_recording as plot_recording
    from ser_tl.analysis import probe_layers as probe_layers
    from ser_tl.analysis import weight_change as weight_change
    from ser_tl.augment import AugmentConfig as AugmentConfig
    from ser_tl.augment import Augmenter as Augmenter
    from ser_tl.comparison import Comparison as Comparison
    from ser_tl.corpora import load_corpora as load_corpora
    from ser_tl.corpora import load_corpus as load_corpus
    from ser_tl.data.checks import check_audio as check_audio
    from ser_tl.data.combination import select_classes as select_classes
    from ser_tl.data.domains import cross_domain as cross_domain
    from ser_tl.data.schema import emotions as emotions
    from ser_tl.data.splits import Split as Split
    from ser_tl.data.splits import make_splits as make_splits
    from ser_tl.data.votes import relabel as relabel
    from ser_tl.distill import CropSampler as CropSampler
    from ser_tl.distill import DistillConfig as DistillConfig
    from ser_tl.distill import EncoderDistiller as EncoderDistiller
    from ser_tl.distill import Probe as Probe
    from ser_tl.distill import ProbeConfig as ProbeConfig
    from ser_tl.distill import StudentTrainer as StudentTrainer
    from ser_tl.distill import TeachConfig as TeachConfig
    from ser_tl.distill import Teacher as Teacher
    from ser_tl.distill import find_recordings as find_recordings
    from ser_tl.distill import finish_distillation as finish_distillation
    from ser_tl.distill import load_student as load_student
    from ser_tl.distill import load_teacher as load_teacher
    from ser_tl.encoders import load_encoder as load_encoder
    from ser_tl.errors import SerTlError as SerTlError
    from ser_tl.estimator import EmotionClassifier as EmotionClassifier
    from ser_tl.evaluation import Report as Report
    from ser_tl.experiments.comparison import ComparisonOptions as ComparisonOptions
    from ser_tl.experiments.comparison import compare_systems as compare_systems
    from ser_tl.experiments.encoder_distillation import EncoderDistillationOptions as EncoderDistillationOptions
    from ser_tl.experiments.generation import WaveGanOptions as WaveGanOptions
    from ser_tl.experiments.model_distillation import ModelDistillationOptions as ModelDistillationOptions
    from ser_tl.experiments.model_distillation import distill_model as distill_model
    from ser_tl.experiments.probe import ProbeOptions as ProbeOptions
    from ser_tl.experiments.probe import add_fidelity as add_fidelity
    from ser_tl.experiments.probe import finish_probe as finish_probe
    from ser_tl.experiments.probe import print_layer_scores as print_layer_scores
    from ser_tl.experiments.protocol import run_domains as run_domains
    from ser_tl.experiments.protocol import run_protocol as run_protocol
    from ser_tl.experiments.unfreezing import plot_unfreezing as plot_unfreezing
    from ser_tl.final import run_final as run_final
    from ser_tl.generate import WaveGan as WaveGan
    from ser_tl.generate import WaveGanConfig as WaveGanConfig
    from ser_tl.generate import WaveGanTrainer as WaveGanTrainer
    from ser_tl.generate import add_synthetic as add_synthetic
    from ser_tl.generate import measure_synthetic_quality as measure_synthetic_quality
    from ser_tl.generate import write_synthetic as write_synthetic
    from ser_tl.hub import pull_folder as pull_folder
    from ser_tl.hub import push_folder as push_folder
    from ser_tl.hyperparameters import SearchConfig as SearchConfig
    from ser_tl.hyperparameters import SearchOptions as SearchOptions
    from ser_tl.hyperparameters import search as search
    from ser_tl.inference import Prediction as Prediction
    from ser_tl.inference import Predictor as Predictor
    from ser_tl.load import load_checked as load_checked
    from ser_tl.load import load_domains as load_domains
    from ser_tl.load import load_splits as load_splits
    from ser_tl.model import EmotionModel as EmotionModel
    from ser_tl.options import DomainOptions as DomainOptions
    from ser_tl.options import FineTuningOptions as FineTuningOptions
    from ser_tl.options import Options as Options
    from ser_tl.options import RunOptions as RunOptions
    from ser_tl.outputs import describe_adapter as describe_adapter
    from ser_tl.outputs import finish as finish
    from ser_tl.outputs import make_publisher as make_publisher
    from ser_tl.program import run_main as run_main
    from ser_tl.rehearsal import rehearse as rehearse
    from ser_tl.rehearsal import rehearse_systems as rehearse_systems
    from ser_tl.reporting import plots as plots
    from ser_tl.run import build_model as build_model
    from ser_tl.run import build_strategy as build_strategy
    from ser_tl.run import build_trainer as build_trainer
    from ser_tl.run import finish_comparison as finish_comparison
    from ser_tl.run import run_splits as run_splits
    from ser_tl.run import start_run as start_run
    from ser_tl.systems import split_systems as split_systems
    from ser_tl.training import Trainer as Trainer
    from ser_tl.training import seed_everything as seed_everything
    from ser_tl.transfer import load_adapter as load_adapter
    from ser_tl.transfer import merge_adapter as merge_adapter
    from ser_tl.transfer import save_adapter as save_adapter

_HOMES = {
    "AugmentConfig": "ser_tl.augment",
    "Augmenter": "ser_tl.augment",
    "Comparison": "ser_tl.comparison",
    "ComparisonOptions": "ser_tl.experiments.comparison",
    "CropSampler": "ser_tl.distill",
    "DistillConfig": "ser_tl.distill",
    "DomainOptions": "ser_tl.options",
    "EmotionClassifier": "ser_tl.estimator",
    "EmotionModel": "ser_tl.model",
    "EncoderDistillationOptions": "ser_tl.experiments.encoder_distillation",
    "EncoderDistiller": "ser_tl.distill",
    "FineTuningOptions": "ser_tl.options",
    "ModelDistillationOptions": "ser_tl.experiments.model_distillation",
    "Options": "ser_tl.options",
    "Prediction": "ser_tl.inference",
    "Predictor": "ser_tl.inference",
    "Probe": "ser_tl.distill",
    "ProbeConfig": "ser_tl.distill",
    "ProbeOptions": "ser_tl.experiments.probe",
    "Report": "ser_tl.evaluation",
    "RunOptions": "ser_tl.options",
    "SearchConfig": "ser_tl.hyperparameters",
    "SearchOptions": "ser_tl.hyperparameters",
    "SerTlError": "ser_tl.errors",
    "Split": "ser_tl.data.splits",
    "StudentTrainer": "ser_tl.distill",
    "TeachConfig": "ser_tl.distill",
    "Teacher": "ser_tl.distill",
    "Trainer": "ser_tl.training",
    "WaveGan": "ser_tl.generate",
    "WaveGanConfig": "ser_tl.generate",
    "WaveGanOptions": "ser_tl.experiments.generation",
    "WaveGanTrainer": "ser_tl.generate",
    "add_fidelity": "ser_tl.experiments.probe",
    "add_synthetic": "ser_tl.generate",
    "build_model": "ser_tl.run",
    "build_strategy": "ser_tl.run",
    "build_trainer": "ser_tl.run",
    "check_audio": "ser_tl.data.checks",
    "compare_systems": "ser_tl.experiments.comparison",
    "cross_domain": "ser_tl.data.domains",
    "describe_adapter": "ser_tl.outputs",
    "distill_model": "ser_tl.experiments.model_distillation",
    "emotions": "ser_tl.data.schema",
    "extract_embeddings": "ser_tl.analysis",
    "find_recordings": "ser_tl.distill",
    "finish": "ser_tl.outputs",
    "finish_comparison": "ser_tl.run",
    "finish_distillation": "ser_tl.distill",
    "finish_probe": "ser_tl.experiments.probe",
    "load_adapter": "ser_tl.transfer",
    "load_checked": "ser_tl.load",
    "load_corpora": "ser_tl.corpora",
    "load_corpus": "ser_tl.corpora",
    "load_domains": "ser_tl.load",
    "load_encoder": "ser_tl.encoders",
    "load_splits": "ser_tl.load",
    "load_student": "ser_tl.distill",
    "load_teacher": "ser_tl.distill",
    "make_publisher": "ser_tl.outputs",
    "make_splits": "ser_tl.data.splits",
    "measure_synthetic_quality": "ser_tl.generate",
    "merge_adapter": "ser_tl.transfer",
    "plot_recording": "ser_tl.analysis",
    "plot_unfreezing": "ser_tl.experiments.unfreezing",
    "plots": "ser_tl.reporting",
    "print_layer_scores": "ser_tl.experiments.probe",
    "probe_layers": "ser_tl.analysis",
    "pull_folder": "ser_tl.hub",
    "push_folder": "ser_tl.hub",
    "rehearse": "ser_tl.rehearsal",
    "rehearse_systems": "ser_tl.rehearsal",
    "relabel": "ser_tl.data.votes",
    "run_domains": "ser_tl.experiments.protocol",
    "run_final": "ser_tl.final",
    "run_main": "ser_tl.program",
    "run_protocol": "ser_tl.experiments.protocol",
    "run_splits": "ser_tl.run",
    "save_adapter": "ser_tl.transfer",
    "search": "ser_tl.hyperparameters",
    "seed_everything": "ser_tl.training",
    "select_classes": "ser_tl.data.combination",
    "split_systems": "ser_tl.systems",
    "start_run": "ser_tl.run",
    "weight_change": "ser_tl.analysis",
    "write_synthetic": "ser_tl.generate",
}
_RENAMED = {  # until version 0.1
    "Recordings": "CropSampler",
    "embed": "extract_embeddings",
    "inspect": "plot_recording",
    "layer_scores": "probe_layers",
    "publishing": "make_publisher",
    "synthetic_quality": "measure_synthetic_quality",
    "travelled": "weight_change",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        warn(f"ser_tl.{name} is called ser_tl.{_RENAMED[name]} now", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name not in _HOMES:
        raise AttributeError(f"module 'ser_tl' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
