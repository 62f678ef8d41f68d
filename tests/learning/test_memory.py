"""Networks with a memory learn to remember, with each algorithm that trains them."""

from functools import partial

import pytest

from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.networks import ActorDistributionRNNNetwork, QRNNNetwork, ValueRNNNetwork
from alf.optimizers import Adam

NETWORKS = {
    "actor_network_ctor": partial(ActorDistributionRNNNetwork, lstm_hidden_size=16),
    "value_network_ctor": partial(ValueRNNNetwork, lstm_hidden_size=16),
}
VALUES = partial(QRNNNetwork, lstm_hidden_size=16)
LOSS = partial(OneStepTDLoss, gamma=0.5)


def replay():
    """Sequences of more than an episode, the first rows of which warm up."""
    config(
        "TrainerConfig",
        whole_replay_buffer_training=False,
        clear_replay_buffer=False,
        initial_collect_steps=500,
        num_updates_per_train_iter=4,
        mini_batch_length=8,
        mini_batch_size=16,
    )


def unrolls():
    """Sequences that are half of an unroll, and begin within episodes."""
    config("ActorCriticLoss", gamma=0.5)
    config("PPOLoss", gamma=0.5)
    config("TrainerConfig", mini_batch_length=4, mini_batch_size=32, num_updates_per_train_iter=4)


ALGORITHMS = {
    "a2c": (unrolls, 120, partial(ActorCriticAlgorithm, optimizer=Adam(lr=2e-2), **NETWORKS)),
    "ppo": (unrolls, 25, partial(PPOAlgorithm, optimizer=Adam(lr=1e-2), **NETWORKS)),
    "dqn": (
        replay,
        40,
        partial(
            DqnAlgorithm,
            q_network_cls=VALUES,
            critic_loss_ctor=LOSS,
            q_optimizer=Adam(lr=1e-2),
            rollout_epsilon_greedy=0.3,
            burn_in=2,
        ),
    ),
    "sac": (
        replay,
        40,
        partial(
            SacAlgorithm,
            q_network_cls=VALUES,
            critic_loss_ctor=LOSS,
            critic_optimizer=Adam(lr=1e-2),
            alpha_optimizer=Adam(lr=1e-2),
            initial_log_alpha=-2.0,
            burn_in=2,
        ),
    ),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_learns_to_remember(train, name):
    """From what chance gives to almost the best return, 4; without a memory 2.5 is the best."""
    prepare, iterations, ctor = ALGORITHMS[name]
    prepare()

    job = train("recall", ctor, iterations=iterations)

    assert job.greedy_return() > 3.8
