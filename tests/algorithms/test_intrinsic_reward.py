"""Rewards for curiosity: which transitions count, and how rewards are normalized, by hand."""

import math

import pytest
import torch

from alf.algorithms.icm_algorithm import ICMAlgorithm
from alf.algorithms.intrinsic_reward import IntrinsicRewardAlgorithm, Transition
from alf.algorithms.rnd_algorithm import RNDAlgorithm
from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.networks import EncodingNetwork
from alf.networks.layers import identity
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
VECTOR = TensorSpec((2,))
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)


class Surprised(IntrinsicRewardAlgorithm):
    """By the number that comes next; keeps what it was told to count."""

    uses = ("next_observation",)
    counted: list[torch.Tensor]

    def count(self, transition):
        self.counted = [*getattr(self, "counted", []), transition.next_observation]

    def surprise(self, transition):
        return transition.next_observation

    def transition_loss(self, transition):
        return 10 * transition.next_observation


def steps(kinds, observations) -> TimeStep:
    """One environment, `[T, 1]`; actions are the numbers of the rows they lead to."""
    count = len(kinds)
    return TimeStep(
        step_type=torch.tensor(kinds)[:, None],
        observation=torch.tensor(observations)[:, None],
        prev_action=torch.arange(count)[:, None],
    )


class TestTransitions:
    def test_what_leads_where(self):
        """An action stands at the step after it; the last row leads nowhere."""
        inputs = steps([FIRST, MID, MID], [1.0, 2.0, 3.0])
        transition, counts = ICMAlgorithm(TensorSpec(()), CHOICE).transitions(inputs)

        assert [1.0, 2.0] == transition.observation[:2, 0].tolist()
        assert [1, 2] == transition.action[:2, 0].tolist()
        assert [2.0, 3.0] == transition.next_observation[:2, 0].tolist()
        assert [True, True, False] == counts[:, 0].tolist()

    def test_none_leads_from_one_episode_to_the_next(self):
        """The step to an end counts, the one from it does not."""
        inputs = steps([MID, LAST, FIRST, MID], [1.0, 2.0, 3.0, 4.0])
        _, counts = RNDAlgorithm(TensorSpec(()), CHOICE).transitions(inputs)

        assert [True, False, True, False] == counts[:, 0].tolist()

    def test_only_what_is_used_is_kept(self):
        """Random features need what comes next, and nothing else."""
        transition, _ = RNDAlgorithm(VECTOR, CHOICE).transitions(
            steps([MID, MID], [[1.0, 2.0], [3.0, 4.0]])
        )
        assert ((), ()) == (transition.observation, transition.action)


class TestReward:
    def test_it_is_surprise_over_the_deviation_of_its_sums(self):
        """Surprises 1 and 3 with gamma 1/2 have the sums 1 and 3.5, whose deviation is 1.25."""
        module = Surprised(TensorSpec(()), CHOICE, gamma=0.5)
        transition, counts = module.transitions(steps([FIRST, MID, MID], [9.0, 1.0, 3.0]))

        reward = module.intrinsic_reward(transition, counts)

        torch.testing.assert_close(reward[:, 0], torch.tensor([1 / 1.25, 3 / 1.25, 0.0]))

    def test_the_deviation_runs(self):
        """The second batch weighs 8 / 9: variance 1.5625 / 9 + 8 / 9 var + 8 / 81 (mean diff)^2."""
        module = Surprised(TensorSpec(()), CHOICE, gamma=0.5)
        module.intrinsic_reward(*module.transitions(steps([FIRST, MID, MID], [9.0, 1.0, 3.0])))
        # Sums 2 and 3: mean 2.5 after 2.25, variance 0.25.
        reward = module.intrinsic_reward(
            *module.transitions(steps([MID, MID, MID], [9.0, 2.0, 2.0]))
        )

        variance = 1.5625 / 9 + 8 / 9 * 0.25 + 8 / 81 * 0.25**2
        torch.testing.assert_close(reward[:2, 0], torch.full((2,), 2 / math.sqrt(variance)))

    def test_what_does_not_count_is_no_surprise(self):
        """Nor is it counted; sums go on over it."""
        module = Surprised(TensorSpec(()), CHOICE, gamma=1.0, reward_clip=0.0)
        inputs = steps([MID, LAST, FIRST, MID], [9.0, 1.0, 100.0, 3.0])

        reward = module.intrinsic_reward(*module.transitions(inputs))

        # Sums 1, 1, 4: mean 2, variance 2.
        deviation = math.sqrt(2)
        expected = torch.tensor([1 / deviation, 0.0, 3 / deviation, 0.0])
        torch.testing.assert_close(reward[:, 0], expected)
        assert [1.0, 3.0] == module.counted[0].tolist()

    def test_it_is_clipped(self):
        """Of one lonely surprise there is no deviation: the limit is what comes out."""
        module = Surprised(TensorSpec(()), CHOICE, reward_clip=2.0)
        reward = module.intrinsic_reward(*module.transitions(steps([MID, MID], [0.0, 7.0])))

        assert [2.0, 0.0] == reward[:, 0].tolist()

    def test_loss_is_the_mean_over_what_counts(self):
        """10 times the mean of 1 and 3."""
        module = Surprised(TensorSpec(()), CHOICE)
        transition, counts = module.transitions(
            steps([MID, LAST, FIRST, MID], [9.0, 1.0, 100.0, 3.0])
        )
        assert 20.0 == float(module.mean_loss(transition, counts))

    def test_statistics_are_saved_with_the_model(self):
        """They are buffers."""
        module = Surprised(TensorSpec(()), CHOICE)
        module.intrinsic_reward(*module.transitions(steps([MID, MID, MID], [0.0, 7.0, 1.0])))
        other = Surprised(TensorSpec(()), CHOICE)
        other.load_state_dict(module.state_dict())

        inputs = steps([MID, MID, MID], [0.0, 2.0, 5.0])
        rewards = [m.intrinsic_reward(*m.transitions(inputs)) for m in (module, other)]
        assert torch.equal(*rewards)


def linear(size):
    """A network of one linear layer."""

    def make(input_tensor_spec):
        return EncodingNetwork(input_tensor_spec, last_layer_size=size, last_activation=identity)

    return make


def set_weights(network, rows):
    with torch.no_grad():
        next(network.parameters()).copy_(torch.tensor(rows))


class TestRND:
    def make(self, **arguments) -> RNDAlgorithm:
        """One feature: the target gives the first number, the predictor 3 times the second."""
        module = RNDAlgorithm(VECTOR, CHOICE, target_network_ctor=linear(1), **arguments)
        set_weights(module._target_network, [[1.0, 0.0]])
        set_weights(module._predictor_network, [[0.0, 3.0]])
        return module

    def test_error_of_normalized_observations(self):
        """Of (0, 0) and (2, 4) mean and deviation are (1, 2): (4, 2) is seen as (3, 0)."""
        module = self.make()
        module.count(Transition(next_observation=torch.tensor([[0.0, 0.0], [2.0, 4.0]])))
        seen = Transition(next_observation=torch.tensor([[4.0, 2.0], [2.0, 4.0], [0.0, 0.0]]))

        # Target 3 and prediction 0; then 1 and 3; then -1 and -3.
        torch.testing.assert_close(module.surprise(seen), torch.tensor([9.0, 4.0, 4.0]))

    def test_what_is_far_from_all_that_was_seen_is_clipped(self):
        """10 deviations are seen as 5."""
        module = self.make()
        module.count(Transition(next_observation=torch.tensor([[0.0, 0.0], [2.0, 4.0]])))
        far = Transition(next_observation=torch.tensor([[11.0, 2.0]]))

        torch.testing.assert_close(module.surprise(far), torch.tensor([25.0]))

    def test_error_is_the_mean_over_features(self):
        """Of two features, off by 3 and by 1."""
        module = RNDAlgorithm(VECTOR, CHOICE, target_network_ctor=linear(2))
        set_weights(module._target_network, [[1.0, 0.0], [0.0, 1.0]])
        set_weights(module._predictor_network, [[0.0, 0.0], [0.0, 0.0]])
        seen = Transition(next_observation=torch.tensor([[3.0, 1.0]]))

        torch.testing.assert_close(module.surprise(seen), torch.tensor([5.0]))

    def test_only_the_predictor_learns(self):
        """And it learns what the target gives."""
        module = RNDAlgorithm(VECTOR, CHOICE)
        seen = Transition(next_observation=torch.tensor([[0.3, 0.1], [-1.0, 0.5]]))
        trained = [p for p in module.parameters() if p.requires_grad]
        before = [p.clone() for p in module._target_network.parameters()]
        start = module.surprise(seen)
        optimizer = torch.optim.Adam(trained, lr=1e-2)
        for _ in range(200):
            optimizer.zero_grad()
            module.transition_loss(seen).mean().backward()
            optimizer.step()

        assert bool((module.surprise(seen) < 1e-2 * start).all())
        after = module._target_network.parameters()
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        # An optimizer that is given all that needs a gradient, and decays weights, lets it be.
        assert not any(p.requires_grad for p in module._target_network.parameters())

    def test_images_and_choices(self):
        """Bytes are numbers, which are normalized; a choice of five is a choice."""
        spec = {
            "image": BoundedTensorSpec((1, 4, 4), torch.uint8, 0, 255),
            "room": BoundedTensorSpec((), torch.int64, 0, 4),
        }
        module = RNDAlgorithm(spec, CHOICE)
        seen = Transition(
            next_observation={
                "image": torch.arange(32, dtype=torch.uint8).view(2, 1, 4, 4),
                "room": torch.tensor([0, 4]),
            }
        )
        module.count(seen)
        assert (2,) == module.surprise(seen).shape
        assert 1 == len(module._normalizer_modules)

    def test_lessons(self):
        """Features of two sizes, and a limit that lets nothing through."""
        with pytest.raises(ConfigError, match="let both end in layers of one size"):
            RNDAlgorithm(
                VECTOR, CHOICE, target_network_ctor=linear(2), predictor_network_ctor=linear(3)
            )
        with pytest.raises(ConfigError, match="largest absolute value"):
            RNDAlgorithm(VECTOR, CHOICE, observation_clip=0.0)
        with pytest.raises(ConfigError, match="a gamma between 0 and 1"):
            RNDAlgorithm(VECTOR, CHOICE, gamma=1.5)


class TestICM:
    def make(self, action_spec, **arguments) -> ICMAlgorithm:
        """Features are the observation; both models say 0 to everything."""
        module = ICMAlgorithm(
            VECTOR,
            action_spec,
            encoding_network_ctor=linear(2),
            model_fc_layer_params=(),
            **arguments,
        )
        set_weights(module._encoder, [[1.0, 0.0], [0.0, 1.0]])
        for model in (module._forward_model, module._inverse_model):
            set_weights(model, torch.zeros_like(next(model.parameters())).tolist())
        return module

    def seen(self, action) -> Transition:
        return Transition(torch.tensor([[1.0, 1.0]]), action, torch.tensor([[3.0, 4.0]]))

    def test_surprise_is_the_error_of_the_forward_model(self):
        """Half of 3^2 + 4^2."""
        module = self.make(CHOICE)
        assert [12.5] == module.surprise(self.seen(torch.tensor([1]))).tolist()

    def test_loss_of_a_discrete_action(self):
        """0.8 ln 3 for not knowing which of three, 0.2 times the error above."""
        loss = self.make(CHOICE).transition_loss(self.seen(torch.tensor([2])))

        torch.testing.assert_close(loss, torch.tensor([0.8 * math.log(3) + 0.2 * 12.5]))

    def test_loss_of_a_continuous_action(self):
        """Half of 0.6^2 + 0.8^2 for having told (0, 0)."""
        spec = BoundedTensorSpec((2,), torch.float32, -1, 1)
        module = self.make(spec, forward_loss_weight=0.5)
        loss = module.transition_loss(self.seen(torch.tensor([[0.6, -0.8]])))

        torch.testing.assert_close(loss, torch.tensor([0.5 * 0.5 + 0.5 * 12.5]))

    def test_loss_of_several_actions(self):
        """Their losses add up: two choices of four in one leaf, and a number."""
        spec = {
            "hands": BoundedTensorSpec((2,), torch.int64, 1, 4),
            "speed": BoundedTensorSpec((), torch.float32, -1, 1),
        }
        module = self.make(spec, forward_loss_weight=0.0)
        action = {"hands": torch.tensor([[1, 4]]), "speed": torch.tensor([2.0])}

        expected = torch.tensor([2 * math.log(4) + 2.0])
        torch.testing.assert_close(module.transition_loss(self.seen(action)), expected)

    def test_forward_model_does_not_move_the_encoder(self):
        """The inverse model does."""
        moved = {}
        for weight in (0.0, 1.0):
            module = ICMAlgorithm(VECTOR, CHOICE, forward_loss_weight=weight)
            module.transition_loss(self.seen(torch.tensor([1]))).sum().backward()
            gradients = [p.grad for p in module._encoder.parameters()]
            moved[weight] = any(g is not None and bool(g.any()) for g in gradients)

        assert {0.0: True, 1.0: False} == moved

    def test_it_learns_what_actions_do(self):
        """On a line, a step to the left or the right is told and foretold."""
        torch.manual_seed(0)
        spec = BoundedTensorSpec((), torch.int64, 0, 1)
        module = ICMAlgorithm(VECTOR, spec)
        optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
        loss = torch.ones(())
        for _ in range(300):
            action = torch.randint(2, (64,))
            place = torch.rand(64, 2)
            moved = place + torch.stack([action * 2.0 - 1, torch.zeros(64)], 1)
            loss = module.transition_loss(Transition(place, action, moved)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        assert float(loss.detach()) < 0.1 * math.log(2)

    def test_lessons(self):
        """Actions without bounds cannot be told apart; a share is a share."""
        with pytest.raises(ConfigError, match="has no bounds"):
            ICMAlgorithm(VECTOR, TensorSpec((), torch.int64))
        with pytest.raises(ConfigError, match="between 0 and 1"):
            ICMAlgorithm(VECTOR, CHOICE, forward_loss_weight=2.0)
