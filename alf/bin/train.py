"""Train an agent, or go on training one.

    python -m alf.bin.train --root_dir /tmp/job --conf my_conf.py     a new job
    python -m alf.bin.train --root_dir /tmp/job                       go on where it stopped

The job's folder gets a snapshot of the code that runs, the conf with its overrides, checkpoints,
and the training curves. SIGINT and SIGTERM finish the iteration, save, and stop; SIGUSR2 saves and
goes on.
"""

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags, logging

from alf import process
from alf.bin import command

if TYPE_CHECKING:
    from alf.trainers.train_job import TrainJob

FLAGS = flags.FlagValues()
flags.DEFINE_string("root_dir", None, "The job's folder.", flag_values=FLAGS)
flags.DEFINE_string(
    "conf",
    None,
    "Conf of a new job. Left out: go on with the job in --root_dir.",
    flag_values=FLAGS,
)
flags.DEFINE_multi_string(
    "conf_param",
    [],
    "A parameter that wins over the conf, as NAME=VALUE with a Python value, for example "
    "--conf_param=\"create_environment.env_name='CartPole-v1'\" (repeatable).",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "store_snapshot", True, "Store the code that runs beside the model.", flag_values=FLAGS
)
flags.DEFINE_bool(
    "force_torch_deterministic",
    True,
    "Let torch refuse operations that are not deterministic.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "distributed",
    "none",
    ["none"],
    "How training is spread over processes.",
    flag_values=FLAGS,
)


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    return command.main(_train, FLAGS, __doc__, argv, program="alf train")


def _train(flag_values: flags.FlagValues) -> int:
    if hasattr(signal, "SIGUSR2"):  # before there is a model, there is nothing to save
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    with process.importing():
        from alf.trainers.train_job import TrainJob

    job = TrainJob(
        root_dir=command.required(flag_values, "root_dir", "/tmp/my_job"),
        conf=flag_values["conf"].value,
        conf_params=flag_values["conf_param"].value or [],
        store_snapshot=bool(flag_values["store_snapshot"].value),
        deterministic=bool(flag_values["force_torch_deterministic"].value),
        command_line=sys.argv,
        report=command.print_line,
    )
    return _run(job)


def _run(job: "TrainJob") -> int:
    with job:
        stopped_by = job.run()
    if stopped_by is None:
        return 0
    logging.info("Stopped by a signal; the same command without --conf goes on from here.")
    return 128 + stopped_by


if __name__ == "__main__":
    process.run(main)
