"""Environments: always a batch, stepped together, time steps of CPU tensors.

`alf.environments.creation.create_environment` makes what a job needs; `suite_gym.load` makes one.
"""
