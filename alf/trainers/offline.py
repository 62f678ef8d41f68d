"""Training from recorded episodes alone: no environment is stepped but for evaluation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from absl import logging

from alf.algorithms.algorithm import Algorithm
from alf.data_structures import TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.errors import ConfigError
from alf.nest import flatten, map_structure
from alf.replay.offline_sources import load_recorded
from alf.replay.offline_steps import RecordedSteps, StepSpecs
from alf.trainers.off_policy import ReplayLearner
from alf.trainers.policy import Policy
from alf.trainers.trainer_config import TrainerConfig
from alf.transforms import IdentityDataTransformer

# What `TrainerConfig` has spread over the iterations already.
_NO_COUNTS: dict[str, Any] = {"num_evals": None, "num_summaries": None}


class RecordedAction(NamedTuple):
    """What stands where a rollout would have left its info.

    Attributes:
        action: what was done, nest of `[T, B, ...]`.
    """

    action: Any


class Recording:
    """Recorded episodes, and how a policy sees them.

    Args:
        config: names the recordings.
        policy: its data transformer changes what was recorded as it changes what the environment
            gives; statistics, such as those of an `ObservationNormalizer`, are taken from all of
            the recording, and stand still then.
        env: gives the specs; it is not stepped.

    Raises:
        UsageError: the recording is not there, or is not one of this environment.

    Attributes:
        steps: as the environment gave them.
        digest: SHA-256 of the steps.
        transformer: the policy's.
    """

    def __init__(self, config: TrainerConfig, policy: Policy, env: AlfEnvironment):
        assert config.offline_buffer_dir is not None
        if env.reward_spec().shape:
            raise ConfigError(
                f"the rewards of {env.name} are vectors ({env.reward_spec()}), and recorded ones "
                f"are single numbers: combine them in an environment wrapper"
            )
        specs = StepSpecs(env.observation_spec(), env.action_spec())
        self.steps = load_recorded(config.offline_buffer_dir, specs, config.offline_buffer_length)
        self.digest = self.steps.digest()
        self.transformer = policy.transformer
        self._policy = policy
        if not self._is_plain:
            policy.transformer.train()
            seen_over_time(self.steps, policy)

    def seen(self) -> tuple[TimeStep, RecordedAction]:
        """The steps as the algorithm sees them, on its device, `[N, ...]`."""
        steps, policy = self.steps, self._policy
        if self._is_plain:
            time_step = steps.time_step.to(policy.device)
        else:
            policy.transformer.eval()
            time_step = seen_over_time(steps, policy)
            policy.transformer.train()
        action = map_structure(lambda x: x.to(policy.device), steps.action)
        return time_step._replace(untransformed=()), RecordedAction(action)

    @property
    def _is_plain(self) -> bool:
        return isinstance(self._policy.transformer, IdentityDataTransformer)


def open_recording(config: TrainerConfig, policy: Policy, env: AlfEnvironment) -> Recording | None:
    """What `TrainerConfig.offline_buffer_dir` names; `None` where training is in the environment.

    See `Recording` for the arguments.
    """
    return None if config.offline_buffer_dir is None else Recording(config, policy, env)


@torch.no_grad()
def seen_over_time(steps: RecordedSteps, policy: Policy) -> TimeStep:
    """What a policy's data transformer makes of recorded episodes, `[N, ...]`, in the same order.

    All episodes go through it side by side, a batch for each step, as from parallel environments:
    so those with a memory, such as a `FrameStacker`, see each episode in order.
    """
    longest_first = np.argsort(-steps.lengths, kind="stable")
    starts, lengths = steps.starts[longest_first], steps.lengths[longest_first]
    state = policy.transformer.initial_state(len(starts), policy.device)
    out: TimeStep | None = None
    for t in range(int(lengths[0])):
        going_on = int((lengths > t).sum())
        rows = torch.from_numpy(starts[:going_on] + t)
        state = map_structure(lambda x, n=going_on: x[:n], state)
        now = map_structure(lambda x, at=rows: x[at], steps.time_step)
        seen, state = policy.transform(now, state)
        seen = seen._replace(untransformed=())
        if out is None:
            out = map_structure(lambda x: x.new_empty((len(steps), *x.shape[1:])), seen)
        for whole, part in zip(flatten(out), flatten(seen), strict=True):
            whole[rows.to(whole.device)] = part
    assert out is not None, "a recording has at least one episode"
    return out


class OfflineLearner(ReplayLearner):
    """Makes updates on samples of what was recorded; see `ReplayLearner`.

    A sample is `mini_batch_length` consecutive rows of the recording. Where one goes over the end
    of an episode, the row of the end has no loss, so that nothing is learned from one episode's
    last step to another's first.

    Args:
        algorithm: decides; its parameters are what is trained.
        observe: see `Rollout`; it is not called.
        recording: what to learn from.
        config: settings of the job.

    Raises:
        ConfigError: the algorithm learns from its own actions alone or has a memory, or a setting
            does not go with recorded episodes.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        observe: Callable[[Any], TimeStep],
        recording: Recording,
        config: TrainerConfig,
    ):
        name = type(algorithm).__name__
        if algorithm.on_policy or algorithm.prepares_unrolls:
            raise ConfigError(
                f"{name} learns from what it has just done itself, and "
                f"TrainerConfig.offline_buffer_dir has it learn from what others did: take "
                f"IqlAlgorithm or BcAlgorithm, or leave offline_buffer_dir out"
            )
        if config.priority_replay:
            raise ConfigError(
                "TrainerConfig.priority_replay is on, and recorded steps are all drawn equally "
                "often: turn it off"
            )
        count, episodes = len(recording.steps), len(recording.steps.starts)
        super().__init__(
            algorithm,
            observe,
            batch_size=1,
            config=replace(
                config, replay_buffer_length=count, initial_collect_steps=0, **_NO_COUNTS
            ),
            transformer=recording.transformer,
        )
        if count < self._length:
            raise ConfigError(
                f"TrainerConfig.mini_batch_length is {self._length}, and the recording has "
                f"{count} rows: record more, or take shorter sequences"
            )
        self._recording: Recording | None = recording
        self._digest = recording.digest
        logging.info("Recorded: %d steps in %d episodes.", count - episodes, episodes)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: not the recording, but which it was."""
        return {
            "optimizers": self._updater.state_dict(),
            "rollout": {},
            "recording": self._digest,
        }

    def load_state_dict(self, state: dict[str, Any], time_step: TimeStep | None) -> None:
        """Go on where `state_dict` was taken; see `Learner`."""
        self._updater.load_state_dict(state["optimizers"])
        if state.get("recording") != self._digest:
            logging.warning(
                "The recorded episodes are not those that the checkpoint was trained on: "
                "training goes on with other ones."
            )

    def save_replay(self, folder: Path) -> dict[str, str]:
        """Nothing: what was recorded is kept where it is."""
        return {}

    def load_replay(self, folder: Path) -> None:
        """Nothing, likewise."""

    def _collect(self) -> None:
        """Nothing is collected: all that there is was recorded.

        It is put into the buffer at the first iteration and not before, since a resumed job has
        the statistics that it is seen with only after it was built.
        """
        if self._recording is not None:
            experience = self._recording.seen()
            self.replay.add_rows(map_structure(lambda x: x.unsqueeze(1), experience))
            self._recording = None  # one copy is enough
