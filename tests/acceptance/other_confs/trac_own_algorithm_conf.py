"""TRAC around an algorithm of one's own, wrappers, and values that the command line can set."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

import functools

from alf.environments.alf_wrappers import ActionRepeat, TimeLimit
from alf.environments.fast_parallel_environment import FastParallelEnvironment
from alf.environments.utils import create_environment

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.trac_algorithm import TracAlgorithm
from alf.tensor_specs import TensorSpec


@alf.configurable
class MyAlgorithm(ActorCriticAlgorithm):
    """Keeps its signature as such algorithms had it."""

    def __init__(
        self,
        observation_spec,
        action_spec,
        reward_spec=TensorSpec(()),  # noqa: B008
        env=None,
        config=None,
        optimizer=None,
        bonus=0.0,
        checkpoint=None,
        debug_summaries=False,
        name="MyAlgorithm",
    ):
        super().__init__(
            observation_spec,
            action_spec,
            reward_spec=reward_spec,
            env=env,
            config=config,
            optimizer=optimizer,
            checkpoint=checkpoint,
            debug_summaries=debug_summaries,
            name=name,
        )
        self._bonus = bonus


size = alf.define_config("size", 8)
assert callable(create_environment)
alf.config(
    "create_environment",
    num_parallel_environments=2,
    parallel_environment_ctor=FastParallelEnvironment,
)
alf.config(
    "suite_gym.load",
    alf_env_wrappers=[
        functools.partial(TimeLimit, duration=20),
        functools.partial(ActionRepeat, times=2),
    ],
)
alf.config("MyAlgorithm", bonus=0.5)
alf.config("ActorDistributionNetwork", fc_layer_params=(alf.get_config_value("size"),))
alf.config("ValueNetwork", fc_layer_params=(alf.get_config_value("size"),))
alf.config(
    "TracAlgorithm",
    ac_algorithm_cls=functools.partial(MyAlgorithm, optimizer=alf.optimizers.SGD(lr=1e-2)),
    action_dist_clip_per_dim=0.01,
)
alf.config("TrainerConfig", algorithm_ctor=TracAlgorithm, num_iterations=3, num_checkpoints=1)
