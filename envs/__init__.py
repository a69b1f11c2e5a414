"""Gymnasium environments around the muscle-driven body."""
