"""Train an agent, or go on training one.

    alf train --root_dir /tmp/job --conf my_conf.py     a new job
    alf train --root_dir /tmp/job                       go on where it stopped

The job's folder gets a snapshot of the code that runs, the conf with its overrides, checkpoints,
and the training curves. SIGINT and SIGTERM finish the iteration, save, and stop; SIGUSR2 saves and
goes on.

    alf train --root_dir /tmp/job --conf my_conf.py --distributed multi-gpu

trains the same in one process a GPU.
"""

import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from absl import flags, logging

from alf import process
from alf.bin import command
from alf.errors import UsageError
from alf.trainers.distributed.launch import is_rank, launch, number_of_processes

if TYPE_CHECKING:
    from alf.trainers.distributed.ranks import Ranks
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
    "--conf_param=\"create_environment.env_name='CartPole-v1'\".",
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
flags.DEFINE_bool("debug", False, "Show the whole traceback of a failure.", flag_values=FLAGS)
flags.DEFINE_enum(
    "distributed",
    "none",
    ["none", "multi-gpu"],
    "How training is spread over processes: not at all, or over one process a GPU, which share the "
    "environments and the minibatches of the conf.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "num_processes",
    None,
    "With --distributed multi-gpu: how many processes; left out, as many as there are GPUs.",
    flag_values=FLAGS,
)


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    return command.main(partial(_train, argv=argv), FLAGS, __doc__, argv, program="alf train")


def _train(flag_values: flags.FlagValues, argv: Sequence[str]) -> int:
    if hasattr(signal, "SIGUSR2"):  # before there is a model, there is nothing to save
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    is_distributed = flag_values["distributed"].value != "none"
    count = flag_values["num_processes"].value
    if count is not None and not is_distributed:
        raise UsageError("--num_processes goes with --distributed multi-gpu: give both, or neither")
    if is_distributed and not is_rank():
        command.required(flag_values, "root_dir", "/tmp/my_job")
        return launch("alf.bin.train", argv, number_of_processes(count))
    ranks: Ranks | None = None
    if is_distributed:
        from alf.trainers.distributed.connect import connect

        ranks = connect()
        if not ranks.is_first:  # one of them tells how it goes
            logging.set_verbosity(logging.ERROR)
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
        ranks=ranks,
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
