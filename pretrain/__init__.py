"""Motion priors and their training."""
