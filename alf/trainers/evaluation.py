"""Evaluation while training: the greedy policy on environments of its own."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from absl import logging

from alf import summary
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.creation import create_environment
from alf.player.episodes import evaluate_episodes
from alf.player.results import mean_and_ci95
from alf.summary.event_writer import EventWriter
from alf.trainers.policy import Policy
from alf.trainers.trainer_config import TrainerConfig


class Evaluator:
    """Plays whole episodes, and writes their average beside the training curves.

    Training does not notice: the environments are others, and the random numbers of torch are put
    back. Each evaluation plays the same seeds, so that two of them compare policies, not luck.

    Args:
        config: how many episodes, in how many environments.
        seed: the job's seed.
    """

    # Far from the seeds of training environments, which count up from the job's own.
    _SEED_OFFSET = 1_000_003

    def __init__(self, config: TrainerConfig, seed: int):
        self._num_episodes = config.num_eval_episodes
        self._num_environments = min(config.num_eval_environments, config.num_eval_episodes)
        self._seed = (seed + self._SEED_OFFSET) % 2**31
        self._folder = Path(config.root_dir) / "eval"
        self._flush_secs = config.summaries_flush_secs
        self._env: AlfEnvironment | None = None
        self._writer: EventWriter | None = None

    def evaluate(self, policy: Policy, iteration: int, env_steps: int) -> float:
        """Play the episodes; returns their average return.

        Args:
            policy: acts greedily.
            iteration: training iterations done, for the curves.
            env_steps: environment steps done, likewise.
        """
        env, writer = self._opened(iteration)
        policy.eval()
        try:
            results = evaluate_episodes(
                env,
                policy.predict_step,
                policy.initial_state(env.batch_size),
                self._num_episodes,
                seed=self._seed,
            )
        finally:
            policy.train()
        mean, ci95 = mean_and_ci95([result.ret for result in results])
        length = sum(result.length for result in results) / len(results)
        # The tags of training, so that TensorBoard draws both in one chart.
        with summary.push_summary_writer(writer), summary.record_if(True):
            summary.scalar("Metrics/AverageReturn", mean, iteration)
            summary.scalar("Metrics/AverageEpisodeLength", length, iteration)
        line = {
            "iteration": iteration,
            "env_steps": env_steps,
            "Metrics/AverageReturn": mean,
            "Metrics/AverageReturn_ci95": ci95,
            "Metrics/AverageEpisodeLength": length,
        }
        with (self._folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        logging.info("Evaluation after %d iterations: average return %.2f", iteration, mean)
        return mean

    def _opened(self, iteration: int) -> tuple[AlfEnvironment, EventWriter]:
        """Made at the first evaluation, so that a job that never gets there pays nothing."""
        if self._env is None or self._writer is None:
            self._env = create_environment(
                for_evaluation=True, num_parallel_environments=self._num_environments
            )
            self._writer = summary.create_summary_writer(self._folder, self._flush_secs)
            self._writer.start_session(iteration)
        return self._env, self._writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._env is not None:
            self._env.close()
        if self._writer is not None:
            self._writer.close()
