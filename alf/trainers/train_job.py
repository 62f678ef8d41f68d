"""A training job from its first line to its last: conf, snapshot, training, report."""

import hashlib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from absl import logging

from alf import snapshot
from alf._config import (
    Override,
    decode_source,
    describe_unused,
    load_config,
    loaded_confs,
    parse_overrides,
    pre_config,
    read_recorded,
    validate_pre_configs,
    write_alf_config,
)
from alf.device import get_default_device, prepare_computing
from alf.environments.creation import create_environment
from alf.errors import RootDirError, SnapshotError
from alf.trainers.checkpoint import Checkpoint
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.distributed.agreement import check_same_start
from alf.trainers.distributed.ranks import Ranks
from alf.trainers.distributed.sharing import environments_of, seed_of, share_of_config
from alf.trainers.evaluation import Evaluator
from alf.trainers.policy_trainer import Trainer, TrainResult
from alf.trainers.random_states import draw_seed, later_seed, seed_everything
from alf.trainers.trainer_config import TrainerConfig

CONFIG_FILE = "alf_config.py"


class TrainJob:
    """Runs a new job, or goes on with the one in a root dir.

    Nothing but a lock is written before the conf has been read, the environments made and the model
    built, so that a mistake in any of them leaves the root dir as it was.

    Args:
        root_dir: the job's folder.
        conf: the conf of a new job; `None` goes on with `<root_dir>/alf_config.py`.
        conf_params: overrides, `NAME=VALUE` each.
        store_snapshot: whether to store the code that runs.
        deterministic: let torch refuse operations that are not deterministic.
        command_line: how the job was started, for the record.
        replays: a checkpoint of another root dir, which this job is to arrive at: it takes the
            seed from there, and stops at that iteration.
        report: gets the lines that tell the user how it goes.
        ranks: the processes that train together, of which the first writes; `None` for one.
    """

    def __init__(
        self,
        root_dir: str,
        conf: str | None = None,
        conf_params: Sequence[str] = (),
        store_snapshot: bool = True,
        deterministic: bool = True,
        command_line: Sequence[str] = (),
        replays: Checkpoint | None = None,
        report: Callable[[str], None] = logging.info,
        ranks: Ranks | None = None,
    ):
        self._root_dir = Path(root_dir).expanduser().absolute()
        self._conf = self._find_conf(conf)
        self._is_new = conf is not None
        self._conf_params = conf_params
        self._store_snapshot = store_snapshot
        self._deterministic = deterministic
        self._command_line = command_line
        self._replays = replays
        self._ranks = ranks or Ranks()
        self._report = report if self._ranks.is_first else _ignore
        self._folder = CheckpointFolder(self._root_dir)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()
        self._ranks.close()

    def run(self) -> int | None:
        """Train; returns the number of the signal that stopped it, or `None` at the end.

        Raises:
            AlfError: anything that keeps the job from going on.
        """
        if self._root_dir.exists():
            self._claim_root_dir()
        self._ranks.wait()  # what a killed job left is cleaned up
        overrides = parse_overrides(self._conf_params)
        pre_config(overrides)
        loaded = load_config(self._conf)
        newest = self._newest_checkpoint()
        config = TrainerConfig(root_dir=str(self._root_dir), conf_file=str(self._conf))
        self._check_same_start(overrides, newest)
        seed = int(self._ranks.gather(self._choose_seed(config, newest))[0][0])
        config = share_of_config(config, self._ranks)
        trainer = self._build(config, seed, newest)
        validate_pre_configs()

        if not self._root_dir.exists():
            self._claim_root_dir()
        if newest is not None:
            trainer.restore(newest)
        if self._ranks.is_first:
            self._record_start(trainer, seed, newest, overrides, decode_source(loaded.source))
        self._train(trainer)
        return trainer.stopped_by

    def _record_start(
        self,
        trainer: Trainer,
        seed: int,
        newest: Checkpoint | None,
        overrides: Mapping[str, Override],
        source: str,
    ) -> None:
        """Say what begins, and keep the conf and the code of it."""
        self._report_start(seed, newest)
        self._record_conf(overrides, source)
        if self._store_snapshot:
            trainer.snapshot = self._take_snapshot(seed)
            late = snapshot.LateImports(self._root_dir, trainer.snapshot)
            trainer.before_checkpoint = partial(self._complete_snapshot, trainer, late)
        for line in describe_unused():
            logging.warning(line)

    def _check_same_start(
        self, overrides: Mapping[str, Override], newest: Checkpoint | None
    ) -> None:
        """That all processes are about to train the same."""
        if self._ranks.count == 1:
            return
        confs = [hashlib.sha256(conf.source).hexdigest() for conf in loaded_confs()]
        facts = {
            "the conf": confs,
            "the overrides (--conf_param)": {k: o.source for k, o in sorted(overrides.items())},
            "the newest checkpoint": None if newest is None else newest.name,
            "the version of torch": str(torch.__version__),
            "the kind of device": get_default_device().type,
        }
        check_same_start(facts, self._ranks)

    @property
    def _quoted(self) -> str:
        """The root dir as a shell takes it."""
        return shlex.quote(str(self._root_dir))

    def _find_conf(self, conf: str | None) -> Path:
        if self._root_dir.exists() and not self._root_dir.is_dir():
            raise RootDirError(
                f"--root_dir '{self._root_dir}' is a file: give a folder, or a name that is free"
            )
        if conf is not None:
            return Path(conf).expanduser()
        recorded = self._root_dir / CONFIG_FILE
        if not recorded.is_file():
            raise RootDirError(
                f"there is no job in '{self._root_dir}' to go on with (it has no {CONFIG_FILE}): "
                f"start one with --conf, for example --conf alf/examples/ac_cart_pole_conf.py"
            )
        return recorded

    def _newest_checkpoint(self) -> Checkpoint | None:
        return self._folder.open() if self._folder.iterations() else None

    def _choose_seed(self, config: TrainerConfig, newest: Checkpoint | None) -> int:
        """The configured seed, else the one that the job began with, else a new one."""
        if config.random_seed is not None:
            return config.random_seed
        known = self._replays or newest
        return draw_seed() if known is None else known.seed

    def _build(self, config: TrainerConfig, seed: int, newest: Checkpoint | None) -> Trainer:
        # Environments that cannot be put back where they were begin other episodes than at first.
        env_seed = seed if newest is None else later_seed(seed, newest.iteration)
        prepare_computing()
        if get_default_device().type != "cpu":  # one thread of a CPU is deterministic as it is
            torch.use_deterministic_algorithms(self._deterministic)
        seed_everything(seed)
        env = self._open.enter_context(
            create_environment(seed=env_seed, **environments_of(config, self._ranks))
        )
        evaluator = None
        if config.evaluate and self._ranks.is_first:
            evaluator = self._open.enter_context(Evaluator(config, seed))
        trainer = Trainer(config, env, seed, evaluator, self._on_checkpoint, self._ranks)
        self._open.callback(trainer.close)
        if not self._ranks.is_first:  # all have the same parameters, and draw other actions
            seed_everything(seed_of(seed, self._ranks))
        return trainer

    def _claim_root_dir(self) -> None:
        """Make the folder, and keep every other job out of it until this one ends."""
        if not self._ranks.is_first:
            return
        try:
            self._root_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RootDirError(
                f"--root_dir '{self._root_dir}' cannot be made: {error.strerror}"
            ) from None
        if not os.access(self._root_dir, os.W_OK):
            raise RootDirError(f"--root_dir '{self._root_dir}' cannot be written to")
        self._open.enter_context(snapshot.hold_root_dir(self._root_dir))
        for left in self._folder.clean_up():
            logging.info("Cleaned up '%s', which a killed job left.", left)
        for half_written in self._root_dir.glob(f".{CONFIG_FILE}.*"):
            half_written.unlink()

    def _record_conf(self, overrides: Mapping[str, Override], source: str) -> None:
        """Write what this job runs; say so where the root dir held another conf."""
        recorded = self._root_dir / CONFIG_FILE
        if self._is_new and recorded.exists() and read_recorded(recorded).conf_source != source:
            self._report(
                f"note      another conf ran here before; its {CONFIG_FILE} is kept in the "
                f"snapshots (alf snapshot list --root_dir {self._quoted})"
            )
        write_alf_config(recorded, overrides, source, self._conf)

    def _take_snapshot(self, seed: int) -> str:
        recorded = self._root_dir / CONFIG_FILE
        taken = snapshot.take(
            self._root_dir,
            confs=[c.path for c in loaded_confs() if Path(c.path) != recorded.resolve()],
            conf_text_path=recorded,
            command=self._command_line,
            seed=seed,
            report=self._report,
        )
        for line in snapshot.describe(taken):
            self._report(line)
        return taken.id

    def _complete_snapshot(self, trainer: Trainer, late: snapshot.LateImports) -> None:
        """Add what was imported since the last checkpoint, so that the next one names all of it."""
        try:
            completed = late.complete()
        except SnapshotError as error:  # a model without all of its code beats no model
            logging.warning("The snapshot lacks what was imported late: %s", error)
            return
        if completed is not None:
            trainer.snapshot = completed.id
            for line in snapshot.describe_completion(completed):
                self._report(line)

    def _on_checkpoint(self, checkpoint: Checkpoint) -> None:
        if self._store_snapshot and checkpoint.snapshot is not None:
            snapshot.tag_checkpoint(self._root_dir, checkpoint.snapshot, checkpoint.iteration)

    def _report_start(self, seed: int, newest: Checkpoint | None) -> None:
        device = get_default_device()
        count = self._ranks.count
        threads = f", {torch.get_num_threads()} thread" if device.type == "cpu" else ""
        self._report(f"conf      {self._conf}")
        self._report(f"root dir  {self._root_dir}")
        processes = f", in each of {count} processes" if count > 1 else ""
        self._report(f"device    {device}{threads}{processes}")
        self._report(f"seed      {seed}")
        if newest is not None:
            self._report(f"resume    {newest.name}, {newest.env_steps:,} environment steps")

    def _train(self, trainer: Trainer) -> None:
        if trainer.is_finished:
            trainer.finish()
            self._report(
                f"Nothing is left to train: {trainer.iteration} iterations are done. To go on, "
                f"raise the total, for example "
                f'--conf_param="TrainerConfig.num_iterations={2 * trainer.iteration}"'
            )
        else:
            stop_at = None if self._replays is None else self._replays.iteration
            self._report_end(trainer.train(stop_at))
        self._report(f"play it   python -m alf.bin.play --root_dir {self._quoted}")

    def _report_end(self, result: TrainResult) -> None:
        shown = "no episode ended"
        if result.average_return is not None:
            shown = f"average return {result.average_return:.2f}"
        self._report(f"done      {shown} after {result.iterations:,} iterations")
        speed = (
            f"{result.steps_per_s:,.0f} environment steps a second for {result.wall_s:.1f} s; "
            f"{result.env_steps:,} in all"
        )
        if not result.env_steps:
            speed = f"{result.wall_s:.1f} s; no environment was stepped but for evaluation"
        self._report(f"speed     {speed}")
        self._report(f"model     {self._folder.path / result.checkpoint}")
        self._report(f"curves    tensorboard --logdir {self._quoted}")


def _ignore(line: str) -> None:
    """What another process tells of."""
