"""Utterances: their columns, audio, splits and batches. Depends on no encoder and no model."""
