"""Parts of a network that know neither encoders nor corpora: normalisation, layer mix, pooling, heads, losses."""
