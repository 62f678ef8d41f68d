"""The training job: drives an algorithm through its iterations, and writes what comes of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from absl import logging

from alf import summary
from alf.data_structures import TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.errors import CheckpointError
from alf.metrics import StandardMetrics
from alf.nest import flatten, pack_sequence_as
from alf.schedulers import update_all_progresses
from alf.trainers.checkpoint import (
    TRAINER_FILE,
    Checkpoint,
    CheckpointFacts,
    load_model,
    load_trainer_state,
    part_folder,
    restore_module,
)
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.distributed.agreement import check_same_model, start_with_same_model
from alf.trainers.distributed.parts import counts_of_all, gather_parts, load_part, write_part
from alf.trainers.distributed.pooling import JobTotals, SharedStatistics
from alf.trainers.distributed.ranks import Ranks
from alf.trainers.distributed.sharing import seed_of
from alf.trainers.evaluation import Evaluator
from alf.trainers.fingerprint import Fingerprinter
from alf.trainers.learners import make_learner
from alf.trainers.offline import open_recording
from alf.trainers.play import play
from alf.trainers.policy import Policy
from alf.trainers.progress import TrainProgress
from alf.trainers.random_states import (
    get_random_states,
    later_seed,
    seed_everything,
    set_random_states,
)
from alf.trainers.run_log import RunLog
from alf.trainers.stop import StopSignals
from alf.trainers.trainer_config import TrainerConfig

__all__ = ["TrainResult", "Trainer", "play"]


@dataclass(frozen=True)
class TrainResult:
    """How a job ended; written to `result.json`.

    Attributes:
        iterations: training iterations done, all of the job's.
        env_steps: environment steps done, all of the job's.
        wall_s: seconds from this process's first environment step to its last update.
        steps_per_s: environment steps a second over `wall_s`.
        average_return: see `Trainer.average_return`.
        checkpoint: name of the newest checkpoint.
        snapshot: id of the snapshot in use; `None` without one.
    """

    iterations: int
    env_steps: int
    wall_s: float
    steps_per_s: float
    average_return: float | None
    checkpoint: str
    snapshot: str | None


class Trainer:
    """Trains a policy on a batch of environments.

    Args:
        config: settings of the job.
        env: the training environments.
        seed: what the job was seeded with, for the record.
        evaluator: evaluates the policy now and then; `None` does not.
        on_checkpoint: called with each checkpoint when it is on disk.
        ranks: the processes that train together, of which the first writes; `None` for one.

    Attributes:
        policy: what is trained.
        iteration: training iterations done.
        snapshot: id of the snapshot that holds the running code, or `None`.
        before_checkpoint: called before each checkpoint is written, which names `snapshot`.
        stopped_by: number of the signal that stopped training, or `None`.
    """

    def __init__(
        self,
        config: TrainerConfig,
        env: AlfEnvironment,
        seed: int,
        evaluator: Evaluator | None = None,
        on_checkpoint: Callable[[Checkpoint], None] = lambda checkpoint: None,
        ranks: Ranks | None = None,
    ):
        self._config = config
        self._env = env
        self._evaluator = evaluator
        self._seed = seed
        self._on_checkpoint = on_checkpoint
        self._ranks = ranks or Ranks()
        self.policy = Policy(config, env)
        self._transformer_state = self.policy.transformer.initial_state(
            env.batch_size, self.policy.device
        )
        self._metrics = StandardMetrics(
            env.current_time_step(),
            buffer_size=max(config.metric_min_buffer_size, env.batch_size),
        )
        self._learner = make_learner(
            self.policy.algorithm,
            self._observe,
            env.batch_size,
            config,
            self.policy.transformer,
            open_recording(config, self.policy, env),
        )
        self._fingerprinter = Fingerprinter(config, seed)
        self._folder = CheckpointFolder(config.root_dir)
        self._log = RunLog(config.root_dir, config.summaries_flush_secs, self._ranks)
        self._learner.train_among(self._ranks)
        self._totals = JobTotals(self._metrics, self._ranks)
        self._statistics = SharedStatistics(self.policy, self._ranks)
        start_with_same_model(self.policy, self._ranks)
        self.iteration = 0
        self.snapshot: str | None = None
        self.before_checkpoint: Callable[[], None] = lambda: None
        self.stopped_by: int | None = None
        self._evaluated: float | None = None  # the return, where no training episode gives one

    @property
    def env_steps(self) -> int:
        """Environment steps done, over all environments and resumes."""
        return self._totals.env_steps

    @property
    def average_return(self) -> float | None:
        """Of the last training episodes; `None` before the first one ends.

        Where training steps no environment, of the last evaluation.
        """
        found = self._totals.average_return
        return self._evaluated if found is None else found

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to train."""
        limit = self._config.num_env_steps
        if limit:
            return self.env_steps >= limit
        return self.iteration >= self._config.num_iterations

    @property
    def total_iterations(self) -> int:
        """How many iterations the job has in all."""
        if not self._config.num_env_steps:
            return self._config.num_iterations
        per_iteration = self._config.unroll_length * self._env.batch_size * self._ranks.count
        left = max(0, self._config.num_env_steps - self.env_steps)
        return self.iteration + -(-left // per_iteration)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: it is damaged, or holds another model.
        """
        where = f"Checkpoint '{checkpoint.name}'"
        restore_module(self.policy, load_model(checkpoint), where)
        try:
            if checkpoint.processes == self._ranks.count:
                self._put_back(load_part(checkpoint, self._ranks), checkpoint, where)
            else:
                self._put_back_without_parts(checkpoint, where)
        except CheckpointError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"'{checkpoint.path / TRAINER_FILE}' holds no state that this job can go on from "
                f"({type(error).__name__}: {str(error)[:200]}). It was written by other code, or "
                f"for another conf, or is damaged. Move '{checkpoint.path}' away to go on from an "
                "earlier checkpoint, or train anew with another --root_dir."
            ) from error
        self.iteration = checkpoint.iteration
        if self._config.offline_buffer_dir is not None:
            self._evaluated = checkpoint.average_return
        self._totals.exchange()
        self._log.rewind(checkpoint.iteration)
        logging.info("%s is loaded successfully.", where)

    def _put_back(self, state: dict[str, Any], checkpoint: Checkpoint, where: str) -> None:
        """All that training needs besides the model."""
        self._transformer_state = pack_sequence_as(self._transformer_state, state["transformer"])
        self._metrics.load_state_dict(state["metrics"])
        time_step = None
        if state["env"] is None:
            logging.info("The environments cannot be put back: new episodes begin.")
        else:
            self._env.load_state_dict(state["env"])
            time_step = self._example_time_step()
        self._learner.load_state_dict(state["learner"], time_step)
        if checkpoint.has_replay:
            self._learner.load_replay(checkpoint.path / part_folder(self._ranks.rank))
        elif checkpoint.replay_digests:
            logging.warning("%s has no replay buffer any more: it is filled anew.", where)
        set_random_states(state["random"])

    def _put_back_without_parts(self, checkpoint: Checkpoint, where: str) -> None:
        """What goes on with any number of processes: the optimizers and the counters."""
        logging.warning(
            "%s is of a job of %s, and this one has %d, so this does not go on exactly: new "
            "episodes begin, a replay buffer is filled anew, and random numbers are others. To "
            "go on exactly, start as many as then: %s",
            where,
            f"{checkpoint.processes} process{'' if checkpoint.processes == 1 else 'es'}",
            self._ranks.count,
            "leave --distributed out"
            if checkpoint.processes == 1
            else f"--distributed multi-gpu --num_processes {checkpoint.processes}",
        )
        state = load_trainer_state(checkpoint)
        self._learner.load_state_dict(state["learner"], None)
        if self._ranks.is_first:
            self._metrics.load_state_dict({**state["metrics"], **counts_of_all(checkpoint)})
        seed_everything(seed_of(later_seed(self._seed, checkpoint.iteration), self._ranks))

    def train(self, stop_at: int | None = None) -> TrainResult:
        """Run to the end, or until a signal asks to stop.

        Args:
            stop_at: iteration to stop at before the end, as a signal would; `None` for the end.

        Raises:
            TrainingError: the loss is not finite any more.
        """
        config = self._config
        total = self.total_iterations
        checkpoint_at = checkpoint_iterations(total, config.num_checkpoints)
        saved_at: int | None = self.iteration if self.iteration else None
        self._finish_saving()
        steps_before, start = self.env_steps, time.perf_counter()
        together = self._ranks.count > 1
        with StopSignals(together) as signals, self._progress(total) as report:
            while not self.is_finished and signals.stop is None and self.iteration != stop_at:
                self._train_iter()
                self._totals.exchange(signals)
                self._evaluate()
                report(self.iteration, self.env_steps)
                if self.iteration in checkpoint_at or signals.take_save_request():
                    self._save()
                    saved_at = self.iteration
            wall = time.perf_counter() - start
            if saved_at != self.iteration:
                self._save()
            self.stopped_by = signals.stop
        result = self._result(wall, self.env_steps - steps_before)
        if self._ranks.is_first:
            self._log.write_result(asdict(result))
        return result

    def finish(self) -> None:
        """Do what follows the last checkpoint, where a killed job came no further than that."""
        self._finish_saving()
        if self._ranks.is_first and self._log.result_iteration() != self.iteration:
            made_by = self._folder.open(self.iteration).snapshot
            self._log.write_result({**asdict(self._result(0.0, 0)), "snapshot": made_by})

    def _finish_saving(self) -> None:
        if self.iteration and self._ranks.is_first:
            self._after_saving(self._folder.open(self.iteration))

    def close(self) -> None:
        """Flush the summaries; the training environments are closed by who made them."""
        self._log.close()
        self._fingerprinter.close()

    def _train_iter(self) -> None:
        number = self.iteration + 1
        update_all_progresses(
            {
                "iterations": self.iteration,
                "env_steps": self.env_steps,
                "global_counter": self.iteration,
                "percent": self._fraction_done(),
            }
        )
        facts: dict[str, Any] = {}
        with self._log.iteration(number, self._should_record(number), facts):
            self._learner.train_iter()
            self.iteration = number
            self._statistics.end_iteration()
            if summary.should_record_summaries():
                results = self._totals.results()
                facts["env_steps"] = int(results[self._metrics.environment_steps.tag])
                for tag, value in results.items():
                    summary.scalar(tag, value)
        interval = self._config.ddp_paras_check_interval
        if interval and number % interval == 0:
            check_same_model(self.policy, number, self._ranks)

    def _evaluate(self) -> None:
        """Where it is time to."""
        if self._evaluator is not None and self.iteration % self._config.eval_interval == 0:
            mean = self._evaluator.evaluate(self.policy, self.iteration, self.env_steps)
            if self._config.offline_buffer_dir is not None:
                self._evaluated = mean

    def _fraction_done(self) -> float:
        """In `[0, 1]`; of what the conf counts, so that a resume finds the same fraction."""
        limit = self._config.num_env_steps
        if limit:
            return min(1.0, self.env_steps / limit)
        return self.iteration / self._config.num_iterations

    def _observe(self, action: Any) -> TimeStep:
        """Step the environments and give what the policy is to see."""
        env = self._env
        time_step = env.current_time_step() if action is None else env.step(action)
        self._metrics(time_step)
        time_step, self._transformer_state = self.policy.transform(
            time_step, self._transformer_state
        )
        return time_step

    def _example_time_step(self) -> TimeStep:
        """What the policy would see now, without adding to any statistics."""
        self.policy.eval()
        seen, _ = self.policy.transform(self._env.current_time_step(), self._transformer_state)
        self.policy.train()
        return seen

    def _should_record(self, iteration: int) -> bool:
        interval = self._config.summary_interval
        first = self._config.summarize_first_interval and iteration <= interval
        return first or iteration % interval == 0

    def _save(self) -> None:
        check_same_model(self.policy, self.iteration, self._ranks)
        if self._ranks.is_first:
            self.before_checkpoint()
        state = {
            "learner": self._learner.state_dict(),
            "metrics": self._metrics.state_dict(),
            "env": self._env.state_dict(),
            "transformer": flatten(self._transformer_state),
            "random": get_random_states(),
        }
        if not self._ranks.is_first:
            write_part(state, self._learner.save_replay, self._ranks)
            return
        fingerprint = self._fingerprinter.take(self.policy)
        checkpoint = self._folder.save(
            CheckpointFacts(
                self.iteration,
                self.env_steps,
                self.snapshot,
                self._seed,
                self.average_return,
                self._ranks.count,
            ),
            self.policy.state_dict(),
            state,
            self._learner.save_replay,
            None if fingerprint is None else fingerprint.as_dict(),
            partial(gather_parts, ranks=self._ranks),
        )
        self._after_saving(checkpoint)
        logging.info("Checkpoint '%s' is saved successfully.", checkpoint.name)

    def _after_saving(self, checkpoint: Checkpoint) -> None:
        self._on_checkpoint(checkpoint)
        self._folder.prune(max(1, self._config.num_checkpoints))
        self._folder.drop_replay(self._config.replay_checkpoints)

    def _result(self, wall: float, steps: int) -> TrainResult:
        return TrainResult(
            iterations=self.iteration,
            env_steps=self.env_steps,
            wall_s=round(wall, 3),
            steps_per_s=round(steps / wall, 1) if steps else 0.0,
            average_return=self.average_return,
            checkpoint=f"ckpt-{self.iteration}",
            snapshot=self.snapshot,
        )

    @contextmanager
    def _progress(self, total: int) -> Iterator[Callable[[int, int], None]]:
        """Gives what reports an iteration."""
        if not self._ranks.is_first:
            yield lambda iteration, env_steps: None
            return
        conf = Path(self._config.conf_file or "alf_config.py").stem
        job = Path(self._config.root_dir).name
        progress = TrainProgress(conf, job, self.iteration, total, lambda: self.average_return)
        try:
            yield progress.update
        finally:
            progress.close()


def checkpoint_iterations(total: int, count: int) -> set[int]:
    """`count` iterations, evenly spaced over `1..total`, the last included.

    Args:
        total: iterations of the job.
        count: how many checkpoints; 0 gives the last alone.
    """
    count = min(max(count, 1), total)
    return {round(total * (k + 1) / count) for k in range(count)}
