"""Policies: the muscle network, PPO with a motion prior, evaluation."""
