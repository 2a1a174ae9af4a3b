"""Looking into models: embeddings, which layers carry emotion, how far weights moved, what one recording looks like."""

from ser_tl.analysis.embedding import embed as embed
from ser_tl.analysis.inspection import inspect as inspect
from ser_tl.analysis.layers import layer_scores as layer_scores
from ser_tl.analysis.travel import travelled as travelled
