"""Training: options, steps, training states, the choice of the best epoch on dev speakers, and techniques as parts."""

from ser_tl.training.part import PARTS as PARTS
from ser_tl.training.part import Losses as Losses
from ser_tl.training.part import Part as Part
from ser_tl.training.part import Step as Step
from ser_tl.training.part import Training as Training
from ser_tl.training.train_config import TrainConfig as TrainConfig
from ser_tl.training.trainer import Trainer as Trainer
from ser_tl.training.trainer import seed_everything as seed_everything
