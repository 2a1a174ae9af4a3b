"""The machine a training runs on: its options, processes, precision and memory, shards, and states on disk."""
