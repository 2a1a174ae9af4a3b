"""From an utterance's embedding to one logit per emotion, and to arousal, valence and dominance.

    embedding (B, E) --norm--dropout--[hidden layer]--linear--> logits (B, C)
    embedding (B, E) --Head--> (B, K), standardised --mean and deviation of the training annotations--> corpus' scale

Independent of frames, padding, losses, and names of emotions and dimensions.
"""

from torch import Tensor, nn

from ser_tl.errors import ConfigError
from ser_tl.modules.feature_norm import FeatureNorm


class Head(nn.Module):
    """LayerNorm, dropout, and a linear classifier behind an optional hidden layer.

    Args:
        dim: channels of an embedding, E
        classes: number of emotions, C
        hidden: width of the hidden layer; 0 leaves it out
        dropout: share of channels dropped before each linear layer in training

    Shape:
        embedding (B, E) -> logits (B, C)
    """

    def __init__(self, dim: int, classes: int, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        if hidden < 0 or not 0.0 <= dropout < 1.0:
            raise ConfigError(f"a head needs hidden >= 0 and 0 <= dropout < 1, got hidden={hidden}, dropout={dropout}")
        layers: list[nn.Module] = [nn.LayerNorm(dim), nn.Dropout(dropout)]
        if hidden:
            layers += [nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout)]
        self.hidden_dim = hidden or dim  # H
        self.layers = nn.Sequential(*layers, nn.Linear(self.hidden_dim, classes))

    def forward(self, embedding: Tensor) -> Tensor:
        """The logits."""
        return self.classify(self.forward_features(embedding))

    def forward_features(self, embedding: Tensor) -> Tensor:
        """What the last linear layer sees, dropout apart: (B, H), the hidden layer or the normalised embedding."""
        return self.layers[:-2](embedding)

    def classify(self, hidden: Tensor) -> Tensor:
        """The logits of hidden features (B, H)."""
        return self.layers[-2:](hidden)


class LinearHead(nn.Linear):
    """Logits that are linear in the embedding, without a norm, dropout or hidden layer.

    Args:
        dim: channels of an embedding, E
        classes: number of emotions, C

    Shape:
        embedding (B, E) -> logits (B, C)
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__(dim, classes)
        self.hidden_dim = dim

    def forward_features(self, embedding: Tensor) -> Tensor:
        """The embedding: there is no hidden layer."""
        return embedding

    def classify(self, hidden: Tensor) -> Tensor:
        """The logits."""
        return self(hidden)


class DimensionHead(nn.Module):
    """A head of one output a dimension, and the scale that the outputs are on.

    The network learns numbers around zero, whatever scale a corpus rates on (1 to 5, 1 to 7, -1 to 1).

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
        """What the last linear layer sees, (B, H)."""
        return self.head.forward_features(embedding)

    def regress(self, hidden: Tensor) -> Tensor:
        """The dimensions of what `forward_features` gave; in float32 under autocast too, for a scale may be large."""
        return self.head.classify(hidden).float() * self.scale.deviation + self.scale.mean
