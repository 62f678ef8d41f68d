"""Panels: images of what a policy thinks."""
