"""Muscles: paths, force model, least-squares oracle and network."""
