"""Confs to start from. Every `*_conf.py` here is trained, snapshotted and replayed by a test."""
