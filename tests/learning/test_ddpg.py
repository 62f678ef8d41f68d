"""DDPG, TD3 and quantile SAC learn a continuous action, repeatably, and survive being saved."""

from functools import partial

import pytest
import torch

from alf import ops
from alf._config import config
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.quantile_td_loss import QuantileTDLoss
from alf.algorithms.td3_algorithm import Td3Algorithm
from alf.errors import ConfigError
from alf.optimizers import Adam
from alf.trainers.checkpoint import load_model, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.policy import Policy
from alf.trainers.random_states import seed_everything


def ddpg(lr=5e-3, kind=DdpgAlgorithm):
    """A constructor of a deterministic policy."""
    return partial(
        kind,
        critic_loss_ctor=partial(OneStepTDLoss, gamma=0.5),
        actor_optimizer=Adam(lr=lr),
        critic_optimizer=Adam(lr=lr),
    )


def quantile_sac(lr=5e-3):
    """A constructor of a random one, whose critics tell quantiles."""
    return partial(
        QuantileSacAlgorithm,
        num_quantiles=8,
        dropped_quantiles=1,
        critic_loss_ctor=partial(QuantileTDLoss, gamma=0.5),
        actor_optimizer=Adam(lr=lr),
        critic_optimizer=Adam(lr=lr),
        alpha_optimizer=Adam(lr=lr),
    )


KINDS = {"ddpg": ddpg, "td3": partial(ddpg, kind=Td3Algorithm), "quantile sac": quantile_sac}


@pytest.fixture(autouse=True)
def _small_networks_and_a_replay_buffer():
    config("ActorNetwork", fc_layer_params=(64,))
    config("ActorDistributionNetwork", fc_layer_params=(64,))
    config("CriticNetwork", joint_fc_layer_params=(64,))
    config(
        "NormalProjectionNetwork",
        scale_distribution=True,
        state_dependent_std=True,
        std_transform=ops.clipped_exp,
    )
    config(
        "TrainerConfig",
        whole_replay_buffer_training=False,
        clear_replay_buffer=False,
        initial_collect_steps=500,
        num_updates_per_train_iter=8,
        mini_batch_size=128,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_learns_to_do_what_it_sees(train, kind):
    """From far below to almost the best return, 8."""
    untrained = KINDS[kind](lr=1e-9)

    assert train("continuous identity", untrained, job="untrained").greedy_return() < 7
    learned = train("continuous identity", KINDS[kind](), iterations=100)
    assert learned.greedy_return() > 7.9


@pytest.mark.parametrize("kind", KINDS)
class TestRepeatable:
    def test_a_seed_gives_the_same_parameters_to_the_bit(self, train, kind):
        """Twice the same seed; another seed gives others."""
        first, second, other = (
            train("continuous identity", KINDS[kind](), iterations=3, seed=seed, job=job)
            for seed, job in ((3, "first"), (3, "second"), (4, "other"))
        )
        ours, same, others = (job.policy.state_dict() for job in (first, second, other))

        assert all(torch.equal(ours[name], same[name]) for name in ours)
        assert not all(torch.equal(ours[name], others[name]) for name in ours)

    def test_a_checkpoint_gives_the_same_actions(self, train, kind):
        """A policy with other parameters acts as the saved one after loading."""
        job = train("continuous identity", KINDS[kind](), iterations=3)
        seed_everything(99)
        loaded = Policy(job.config, job.env).eval()
        time_step = job.env.current_time_step()

        def same():
            first, second = (
                policy.predict_step(time_step, policy.initial_state(job.env.batch_size)).output
                for policy in (loaded, job.policy)
            )
            return torch.equal(first, second)

        assert not same()
        checkpoint = CheckpointFolder(job.config.root_dir).open()
        restore_module(loaded, load_model(checkpoint), "the checkpoint")
        assert same()


def test_epochs_of_single_steps_are_no_way_to_train_it(train):
    """The lesson is about the setting, not about the noise, which is no memory of a network."""
    config("TrainerConfig", whole_replay_buffer_training=True, clear_replay_buffer=True)
    with pytest.raises(ConfigError, match="DdpgAlgorithm learns from what follows an action"):
        train("continuous identity", ddpg())
