"""Networks: from nests of observations to features, values, and distributions of actions."""

from typing import TYPE_CHECKING

from alf._config import moved
from alf.networks.actor_distribution_networks import ActorDistributionNetwork
from alf.networks.actor_networks import ActorNetwork
from alf.networks.critic_networks import CriticNetwork
from alf.networks.encoding_networks import EncodingNetwork, ImageEncodingNetwork
from alf.networks.layers import identity
from alf.networks.network import Network, RecurrentNetwork
from alf.networks.parallel_networks import ReplicableNetwork, make_parallel
from alf.networks.preprocessors import EmbeddingPreprocessor, NestConcat, NestSum, OneHot
from alf.networks.projection_networks import (
    BetaProjectionNetwork,
    CategoricalProjectionNetwork,
    NormalProjectionNetwork,
    ProjectionNetwork,
    StableNormalProjectionNetwork,
)
from alf.networks.q_networks import QNetwork
from alf.networks.recurrent_networks import (
    ActorDistributionRNNNetwork,
    LSTMEncodingNetwork,
    ValueRNNNetwork,
)
from alf.networks.recurrent_q_networks import CriticRNNNetwork, QRNNNetwork
from alf.networks.value_networks import ValueNetwork

__all__ = [
    "ActorDistributionNetwork",
    "ActorDistributionRNNNetwork",
    "ActorNetwork",
    "BetaProjectionNetwork",
    "CategoricalProjectionNetwork",
    "CriticNetwork",
    "CriticRNNNetwork",
    "EmbeddingPreprocessor",
    "EncodingNetwork",
    "ImageEncodingNetwork",
    "LSTMEncodingNetwork",
    "NestConcat",
    "NestSum",
    "Network",
    "NormalProjectionNetwork",
    "OneHot",
    "ProjectionNetwork",
    "QNetwork",
    "QRNNNetwork",
    "RecurrentNetwork",
    "ReplicableNetwork",
    "StableNormalProjectionNetwork",
    "ValueNetwork",
    "ValueRNNNetwork",
    "identity",
    "make_parallel",
]

if not TYPE_CHECKING:
    __getattr__ = moved.attributes(__name__)
