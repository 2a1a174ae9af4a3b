"""Utterances: their columns, audio, splits and batches. Knows nothing of encoders or models."""
