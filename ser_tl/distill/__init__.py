"""Distillation: of encoders, whose states a small student learns from audio without labels, and of whole models.

    audio, teacher, student --EncoderDistiller--> student --finish_distillation--> a folder in transformers' layout
    labelled speech, encoder --Probe--> Report: what a linear model reads from its states
    labelled speech, Teacher, student --StudentTrainer--> student, trained on labels and on the teacher's predictions

A finished student is an encoder, or a model, like any other.
"""

from ser_tl.distill.crop_sampler import CropSampler as CropSampler
from ser_tl.distill.crop_sampler import find_recordings as find_recordings
from ser_tl.distill.distill_config import DistillConfig as DistillConfig
from ser_tl.distill.feature_loss import FeatureDistillationLoss as FeatureDistillationLoss
from ser_tl.distill.probe import Probe as Probe
from ser_tl.distill.probe import ProbeConfig as ProbeConfig
from ser_tl.distill.response import StudentTrainer as StudentTrainer
from ser_tl.distill.student_card import finish_distillation as finish_distillation
from ser_tl.distill.students import copy_layers as copy_layers
from ser_tl.distill.students import load_student as load_student
from ser_tl.distill.students import save_student as save_student
from ser_tl.distill.teachers import TeachConfig as TeachConfig
from ser_tl.distill.teachers import Teacher as Teacher
from ser_tl.distill.teachers import load_teacher as load_teacher
from ser_tl.distill.trainer import EncoderDistiller as EncoderDistiller
