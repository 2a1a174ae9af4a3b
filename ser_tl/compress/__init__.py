"""A trained model made smaller: fewer transformer layers, narrower feed-forward networks, the classifier fitted anew.

    compress_model(model, corpus, ffn=0.5, layers=2) -> Compressed(model, trials)
    model.save_pretrained(folder); ser_tl.export.export_model(model, folder, quantize="int8")

What is taken away is gone: the weights are smaller, and every layer keeps one width, so that the model is saved,
loaded, trained and exported like any other. No gradient is needed.
"""

from ser_tl.compress.compression import Compressed as Compressed
from ser_tl.compress.compression import compress_model as compress_model
from ser_tl.compress.importance import IMPORTANCES as IMPORTANCES
from ser_tl.compress.pruning import keep_layers as keep_layers
from ser_tl.compress.pruning import narrow_feed_forwards as narrow_feed_forwards
