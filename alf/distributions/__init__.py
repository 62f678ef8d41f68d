"""Distributions for policies: cheap to build, without validation, seen through by buffers.

A distribution is a leaf of a nest. `map_params` and `flatten_params` walk through it into its
parameter tensors, so that nests with distributions can be stored, stacked and indexed.
"""

from alf.distributions.beta import Beta
from alf.distributions.categorical import Categorical
from alf.distributions.distribution import (
    PARAMS_NAMESPACE,
    Distribution,
    flatten_params,
    map_params,
    to_params,
    unflatten_params,
)
from alf.distributions.interval import Interval
from alf.distributions.nests import (
    compute_entropy,
    compute_kl_divergence,
    compute_log_probability,
    epsilon_greedy_sample,
    get_mode,
    rsample_action_distribution,
    sample_action_distribution,
)
from alf.distributions.normal import DiagNormal, SquashedNormal

__all__ = [
    "PARAMS_NAMESPACE",
    "Beta",
    "Categorical",
    "DiagNormal",
    "Distribution",
    "Interval",
    "SquashedNormal",
    "compute_entropy",
    "compute_kl_divergence",
    "compute_log_probability",
    "epsilon_greedy_sample",
    "flatten_params",
    "get_mode",
    "map_params",
    "rsample_action_distribution",
    "sample_action_distribution",
    "to_params",
    "unflatten_params",
]
