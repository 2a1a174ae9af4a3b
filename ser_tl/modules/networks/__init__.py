"""Sequence networks trained from scratch between the encoder's frames and the pooling, by name.

    NETWORKS["bilstm"](dim)(frames (B, T, D), mask (B, T)) -> frames (B, T', W), mask (B, T')

On MFCC or log-mel they are the baselines that transfer has to beat; on the states of a pretrained encoder they are a
head that sees order. What stands behind the mask never changes what comes out: tests/modules/networks holds every
registered network to that.
"""

from ser_tl.modules.networks.base import NETWORKS, Network
from ser_tl.modules.networks.conformer import Conformer
from ser_tl.modules.networks.crnn import CRNN
from ser_tl.modules.networks.recurrent import BiLSTM
from ser_tl.modules.networks.transformer import Transformer

__all__ = ["CRNN", "NETWORKS", "BiLSTM", "Conformer", "Network", "Transformer"]
