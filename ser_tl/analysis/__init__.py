"""Looking into models: embeddings, which layers carry emotion, how far weights moved, what one recording looks like."""

from ser_tl.analysis.embedding import extract_embeddings as extract_embeddings
from ser_tl.analysis.inspection import plot_recording as plot_recording
from ser_tl.analysis.layers import probe_layers as probe_layers
from ser_tl.analysis.weight_changes import weight_change as weight_change
