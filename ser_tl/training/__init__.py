"""Training: options, steps, training states, and the choice of the best epoch on dev speakers."""

from ser_tl.training.config import TrainConfig as TrainConfig
from ser_tl.training.trainer import Trainer as Trainer
from ser_tl.training.trainer import seed_everything as seed_everything
