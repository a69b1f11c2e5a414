"""Motion: reading files, fitting them to a body, preparing them for training."""
