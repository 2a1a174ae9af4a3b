"""Features of frozen layers, computed once and kept on disk: keys, entries, augmented views, and the clips of both."""
