"""The mathematics of reinforcement learning as pure functions: tensors in, tensors out."""

from alf.ops.clipping import clipped_exp
from alf.ops.linear_maps import linear, parallel_linear
from alf.ops.normalization import normalize_advantages
from alf.ops.policy_losses import (
    approximate_kl,
    clip_fraction,
    clipped_surrogate_loss,
    entropy_loss,
    importance_ratio,
    policy_gradient_loss,
)
from alf.ops.quantiles import quantile_fractions, quantile_huber_loss, truncate_quantiles
from alf.ops.returns import (
    discounted_return,
    generalized_advantage_estimation,
    one_step_discounted_return,
    td_lambda_return,
)
from alf.ops.value_losses import (
    element_wise_huber_loss,
    element_wise_squared_loss,
    expectile_loss,
    explained_variance,
)

__all__ = [
    "approximate_kl",
    "clip_fraction",
    "clipped_exp",
    "clipped_surrogate_loss",
    "discounted_return",
    "element_wise_huber_loss",
    "element_wise_squared_loss",
    "entropy_loss",
    "expectile_loss",
    "explained_variance",
    "generalized_advantage_estimation",
    "importance_ratio",
    "linear",
    "normalize_advantages",
    "one_step_discounted_return",
    "parallel_linear",
    "policy_gradient_loss",
    "quantile_fractions",
    "quantile_huber_loss",
    "td_lambda_return",
    "truncate_quantiles",
]
