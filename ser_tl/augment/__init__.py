"""Augmentation: training clips, states and embeddings changed at random, and those of training alone.

`base` has the contract, each other file a transform; `config` says which, `chain` applies them.
"""

from ser_tl.augment.augment_config import AugmentConfig as AugmentConfig
from ser_tl.augment.augment_config import build_transform as build_transform
from ser_tl.augment.babble import Babble as Babble
from ser_tl.augment.background import Background as Background
from ser_tl.augment.base import TRANSFORMS as TRANSFORMS
from ser_tl.augment.base import ClipTransform as ClipTransform
from ser_tl.augment.base import Mixing as Mixing
from ser_tl.augment.base import Transform as Transform
from ser_tl.augment.base import TransformResult as TransformResult
from ser_tl.augment.chain import Chain as Chain
from ser_tl.augment.chain import FeatureHooks as FeatureHooks
from ser_tl.augment.clipping import Clipping as Clipping
from ser_tl.augment.codec import Codec as Codec
from ser_tl.augment.crop import Crop as Crop
from ser_tl.augment.gain import Gain as Gain
from ser_tl.augment.mask import MelMask as MelMask
from ser_tl.augment.mask import StateMask as StateMask
from ser_tl.augment.mixup import EmbeddingMixup as EmbeddingMixup
from ser_tl.augment.mixup import Mixup as Mixup
from ser_tl.augment.noise import Noise as Noise
from ser_tl.augment.pitch import PitchShift as PitchShift
from ser_tl.augment.presets import PRESETS as PRESETS
from ser_tl.augment.presets import Preset as Preset
from ser_tl.augment.preview import Augmenter as Augmenter
from ser_tl.augment.preview import Example as Example
from ser_tl.augment.preview import preview_transforms as preview_transforms
from ser_tl.augment.reverb import Reverb as Reverb
from ser_tl.augment.rng import BatchRng as BatchRng
from ser_tl.augment.silence import Silence as Silence
from ser_tl.augment.speed import Speed as Speed
from ser_tl.augment.telephone import Telephone as Telephone
from ser_tl.augment.time_stretch import TimeStretch as TimeStretch
