"""The tasks of `benchmarks.training` as confs, with the settings that the peers have."""
