"""A policy: the data transformer and the algorithm that were trained together."""

from typing import Any

import torch

from alf.data_structures import AlgStep, TimeStep
from alf.device import get_default_device
from alf.environments.alf_environment import AlfEnvironment
from alf.module import Module
from alf.trainers.trainer_config import TrainerConfig
from alf.transforms import create_data_transformer


class Policy(Module):
    """What is saved in a checkpoint and played later.

    Args:
        config: names the constructors of the transformer and the algorithm.
        env: gives the specs; it is not kept.

    Raises:
        ConfigError: the configured constructor makes something else than an algorithm.
    """

    def __init__(self, config: TrainerConfig, env: AlfEnvironment):
        super().__init__()
        self.transformer = create_data_transformer(
            config.data_transformer_ctor, env.observation_spec()
        )
        self.device = get_default_device()
        assert config.algorithm_ctor is not None
        self.algorithm = config.algorithm_ctor(
            observation_spec=self.transformer.transformed_observation_spec,
            action_spec=env.action_spec(),
            reward_spec=env.reward_spec(),
            config=config,
        )
        self.to(self.device)

    def transform(self, time_step: TimeStep, state: Any) -> tuple[TimeStep, Any]:
        """What the algorithm is to see of a time step, on its device.

        Args:
            time_step: as the environment gave it, `[B, ...]`.
            state: memory of the transformer.
        """
        if self.device.type != "cpu":
            time_step = time_step.to(self.device)
        return self.transformer.transform_timestep(time_step, state)

    @torch.no_grad()
    def predict_step(self, time_step: TimeStep, state: Any) -> AlgStep:
        """Act greedily on what the environment gave.

        Args:
            time_step: as the environment gave it, `[B, ...]`.
            state: as `initial_state` or the last step gave it.
        """
        transformer_state, algorithm_state = state
        time_step, transformer_state = self.transform(time_step, transformer_state)
        alg_step = self.algorithm.predict_step(time_step, algorithm_state)
        return alg_step._replace(state=(transformer_state, alg_step.state))

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step of an episode."""
        algorithm = self.algorithm
        state = algorithm.convert_train_state_to_predict_state(algorithm.initial_state(batch_size))
        return self.transformer.initial_state(batch_size, self.device), state
