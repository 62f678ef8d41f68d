"""Proves checkpoints: that the running code answers as the code that saved them did."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alf._config import load_config, pre_config
from alf.device import prepare_computing
from alf.environments.alf_environment import AlfEnvironment
from alf.trainers.checkpoint import restore_module
from alf.trainers.fingerprint import check_answers, check_trace, make_environment
from alf.trainers.play import open_model
from alf.trainers.policy import Policy
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.verdict import Verdict

Proofs = dict[int, dict[str, Verdict]]
"""Checkpoint -> kind of proof (`"fingerprint"`, `"trace"`, `"retrain"`) -> outcome."""


def prove_checkpoints(root_dir: Path, conf: Path, steps: Iterable[int]) -> Proofs:
    """Check the fingerprints of checkpoints, and replay the episodes that they recorded.

    Args:
        root_dir: the job's folder.
        conf: the configuration to run.
        steps: numbers of the checkpoints.

    Raises:
        AlfError: a checkpoint is damaged or holds another model than the code builds.
    """
    proofs: Proofs = {}
    with _played(root_dir, conf) as (policy, env):
        for step in steps:
            model = open_model(root_dir, step)
            restore_module(policy, model.tensors, f"'{model.checkpoint.path}'")
            proofs[step] = {"fingerprint": check_answers(policy, env, model.fingerprint)}
            if model.fingerprint is not None:
                proofs[step]["trace"] = check_trace(policy, env, model.fingerprint)
    return proofs


@contextmanager
def _played(root_dir: Path, conf: Path) -> Iterator[tuple[Policy, AlfEnvironment]]:
    """A policy without its parameters, and one environment as play makes it."""
    pre_config({})
    load_config(conf)
    config = TrainerConfig(root_dir=str(root_dir), conf_file=str(conf))
    prepare_computing()
    with make_environment() as env:
        yield Policy(config, env), env
