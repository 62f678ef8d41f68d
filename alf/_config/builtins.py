"""Parts of `alf` that a conf may configure before anything has imported them.

`import alf` is cheap because it imports little, so `alf.config('create_environment', ...)` right
after it names a function that no one has defined yet. This table, and that of `alf._config.moved`,
are the places where this low layer names higher ones, as text.
"""

import importlib
import importlib.util

from alf._config import lessons, moved
from alf._config.origin import caller
from alf.errors import ConfigError

_PROJECTION = "alf.networks.projection_networks"
_RECURRENT = "alf.networks.recurrent_networks"
_WRAPPERS = "alf.environments.wrappers"

MODULES: dict[str, str] = {
    "create_environment": "alf.environments.creation",
    "suite_gym.load": "alf.environments.suite_gym",
    "wrap_env": "alf.environments.suite_gym",
    "TimeLimit": _WRAPPERS,
    "ActionRepeat": _WRAPPERS,
    "NonEpisodic": _WRAPPERS,
    "TrainerConfig": "alf.trainers.trainer_config",
    "ActorCriticAlgorithm": "alf.algorithms.actor_critic_algorithm",
    "ActorCriticLoss": "alf.algorithms.actor_critic_loss",
    "TracAlgorithm": "alf.algorithms.trac_algorithm",
    "PPOAlgorithm": "alf.algorithms.ppo_algorithm",
    "PPOLoss": "alf.algorithms.ppo_loss",
    "SacAlgorithm": "alf.algorithms.sac_algorithm",
    "QuantileSacAlgorithm": "alf.algorithms.quantile_sac_algorithm",
    "QuantileTDLoss": "alf.algorithms.quantile_td_loss",
    "DdpgAlgorithm": "alf.algorithms.ddpg_algorithm",
    "Td3Algorithm": "alf.algorithms.td3_algorithm",
    "DqnAlgorithm": "alf.algorithms.dqn_algorithm",
    "BcAlgorithm": "alf.algorithms.bc_algorithm",
    "IqlAlgorithm": "alf.algorithms.iql_algorithm",
    "TDLoss": "alf.algorithms.td_loss",
    "OneStepTDLoss": "alf.algorithms.one_step_loss",
    "Agent": "alf.algorithms.agent",
    "RNDAlgorithm": "alf.algorithms.rnd_algorithm",
    "ICMAlgorithm": "alf.algorithms.icm_algorithm",
    "ActorDistributionNetwork": "alf.networks.actor_distribution_networks",
    "ActorDistributionRNNNetwork": _RECURRENT,
    "ValueRNNNetwork": _RECURRENT,
    "LSTMEncodingNetwork": _RECURRENT,
    "ValueNetwork": "alf.networks.value_networks",
    "ActorNetwork": "alf.networks.actor_networks",
    "CriticNetwork": "alf.networks.critic_networks",
    "CriticRNNNetwork": "alf.networks.recurrent_q_networks",
    "QNetwork": "alf.networks.q_networks",
    "QRNNNetwork": "alf.networks.recurrent_q_networks",
    "EncodingNetwork": "alf.networks.encoding_networks",
    "ImageEncodingNetwork": "alf.networks.encoding_networks",
    "CategoricalProjectionNetwork": _PROJECTION,
    "NormalProjectionNetwork": _PROJECTION,
    "StableNormalProjectionNetwork": _PROJECTION,
    "BetaProjectionNetwork": _PROJECTION,
    "EmbeddingPreprocessor": "alf.networks.preprocessors",
    "FrameStacker": "alf.transforms",
    "HindsightExperienceTransformer": "alf.transforms",
    "l2_dist_close_reward_fn": "alf.transforms",
    "ImageScaleTransformer": "alf.transforms",
    "ObservationNormalizer": "alf.transforms",
    "RewardClipping": "alf.transforms",
    "RewardNormalizer": "alf.transforms",
    "RewardScaling": "alf.transforms",
    "RewardShifting": "alf.transforms",
    "SequentialDataTransformer": "alf.transforms",
    "UntransformedTimeStep": "alf.transforms",
    "PanelSettings": "alf.player.auto_panels",
    "ConstantScheduler": "alf.schedulers",
    "StepScheduler": "alf.schedulers",
    "LinearScheduler": "alf.schedulers",
    "ExponentialScheduler": "alf.schedulers",
    "CyclicalScheduler": "alf.schedulers",
    "Adam": "alf.optimizers",
    "AdamW": "alf.optimizers",
    "SGD": "alf.optimizers",
    "RMSprop": "alf.optimizers",
}


def modules_for(name: str) -> list[str]:
    """Modules that may define the parameter `name`, most specific first.

    Args:
        name: `configurable.parameter`, with as many leading components as the user wrote.
    """
    owner = name.rpartition(".")[0]
    found = [
        module for short, module in MODULES.items() if owner == short or owner.endswith("." + short)
    ]
    if owner.startswith("alf."):
        found += _existing_module(owner)
    return found


def _existing_module(owner: str) -> list[str]:
    """The longest leading part of `owner` below `alf` that is a module, in a list, or nothing."""
    parts = owner.split(".")
    found: list[str] = []
    for end in range(2, len(parts) + 1):
        candidate = ".".join(parts[:end])
        try:
            if importlib.util.find_spec(candidate) is None:
                break
        except ModuleNotFoundError:
            break  # the part before it is a module, not a package
        found = [candidate]
    return found


def import_modules_for(name: str) -> bool:
    """Import what may define `name`; `True` if there was anything to import.

    Raises:
        ConfigError: `name` is a parameter of something that is left out.
    """
    owner = name.rpartition(".")[0].rpartition(".")[2]
    if owner in moved.LEFT_OUT:
        raise ConfigError(
            lessons.refused(name, caller(), f"{owner} is not here; {moved.LEFT_OUT[owner]}")
        )
    modules = modules_for(name)
    for module in modules:
        importlib.import_module(module)
    return bool(modules)
