"""From an utterance's embedding to arousal, valence and dominance: a second head beside the emotions', or the only one.

    embedding (B, E) --Head--> (B, K), standardised --mean and deviation of the training annotations--> corpus' scale

The network learns numbers around zero, whatever scale a corpus rates on (1 to 5, 1 to 7, -1 to 1).
"""

from torch import Tensor, nn

from ser_tl.modules.feature_norm import FeatureNorm
from ser_tl.modules.heads import Head


class DimensionHead(nn.Module):
    """A head of one output a dimension, and the scale that the outputs are on.

    Args:
        dim: channels of an embedding, E
        dimensions: their number, K
        hidden: width of the hidden layer; 0 leaves it out
        dropout: share of channels dropped before each linear layer in training

    Shape:
        embedding (B, E) -> (B, K) float32, on the scale of the training annotations
    """

    def __init__(self, dim: int, dimensions: int, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.head = Head(dim, dimensions, hidden, dropout)
        self.scale = FeatureNorm(dimensions)

    def forward(self, embedding: Tensor) -> Tensor:
        """The dimensions."""
        return self.regress(self.forward_features(embedding))

    def forward_features(self, embedding: Tensor) -> Tensor:
        """The input of the last linear layer, (B, H)."""
        return self.head.forward_features(embedding)

    def regress(self, hidden: Tensor) -> Tensor:
        """The dimensions of hidden features; in float32 under autocast too, for a scale may be large."""
        return self.head.classify(hidden).float() * self.scale.deviation + self.scale.mean
