"""Confs that the tutorial walks through."""
