"""SAC with quantile critics on Pendulum-v1: a greedy return above -200 after 10 000 steps."""

import alf
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.examples import sac_pendulum_conf  # noqa: F401 - what it configures holds but for this

# A distribution of returns says more of each sample than a mean, so that less of them is enough.
alf.config("ActorDistributionNetwork", fc_layer_params=(128, 128))
alf.config("CriticNetwork", joint_fc_layer_params=(128, 128))
alf.config("TrainerConfig", mini_batch_size=128)

alf.config("QuantileSacAlgorithm", num_quantiles=25, dropped_quantiles=2)
alf.config("QuantileTDLoss", gamma=0.99)
alf.config("Agent", rl_algorithm_cls=QuantileSacAlgorithm)
