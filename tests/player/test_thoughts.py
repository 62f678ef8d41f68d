"""What a policy's answer tells, whoever wrote the policy."""

import math
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alf.data_structures import AlgStep
from alf.distributions import Beta, Categorical, DiagNormal
from alf.player.thoughts import Thoughts, read_thoughts

ONE = torch.zeros(1, dtype=torch.int64)


class Info(NamedTuple):
    action_distribution: object = ()
    value: object = ()


def of(info, output: Any = ONE) -> Thoughts:
    return read_thoughts(AlgStep(output=output, state=(), info=info))


def test_an_actor_critic_by_hand():
    """Odds 1 : 3 : 4 of the choices 5, 6, 7 and a value: the best is ahead by 1/8."""
    logits = torch.tensor([[0.0, math.log(3), math.log(4)]])
    thoughts = of(Info(Categorical(logits, offset=5), torch.tensor([2.5])), torch.tensor([7]))

    assert thoughts.probabilities == pytest.approx([1 / 8, 3 / 8, 4 / 8])
    assert (thoughts.value, thoughts.runner_up, thoughts.first_action) == (2.5, 6, 5)
    assert thoughts.lead == pytest.approx(1 / 8)
    assert thoughts.entropy == pytest.approx(
        math.log(8) / 8 + 3 / 8 * math.log(8 / 3) + math.log(2) / 2
    )
    assert thoughts.actions["action"].tolist() == [7]


def test_values_of_actions_rank_them():
    """Without probabilities the values rank, and of an ensemble the lowest counts."""
    ensemble = torch.tensor([[[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]]])
    thoughts = of({"q_values": ensemble})

    assert thoughts.action_values is not None
    assert thoughts.action_values.tolist() == [1, 4, 2]
    assert (thoughts.runner_up, thoughts.lead) == (2, 2)
    assert thoughts.probabilities is None
    assert thoughts.entropy is None


def test_distributions_find_their_actions_by_name():
    """In whichever order dicts were written, each distribution goes to its own action."""
    output = {"b": torch.zeros(1, 2), "a": ONE}
    policy = OrderedDict(b=DiagNormal(torch.zeros(1, 2), torch.ones(1, 2)))
    policy["a"] = Categorical(torch.zeros(1, 4))  # type: ignore[assignment]
    thoughts = of({"action_distribution": policy}, output)

    assert isinstance(thoughts.distributions["a"], Categorical)
    assert isinstance(thoughts.distributions["b"], DiagNormal)
    assert thoughts.entropy == pytest.approx(math.log(4) + math.log(2 * math.pi * math.e))
    assert thoughts.probabilities is None


@pytest.mark.parametrize(
    "info",
    [
        {"pi": torch.distributions.Categorical(probs=torch.tensor([[0.25, 0.75]]))},
        [torch.distributions.Categorical(logits=torch.tensor([[0.0, math.log(3)]]))],
        {"out": {"logits": torch.tensor([[0.0, math.log(3)]])}},
        {"probs": torch.tensor([[0.25, 0.75]])},
        (Categorical(torch.tensor([[0.0, math.log(3)]])),),
    ],
)
def test_choices_are_read_from_whatever_there_is(info):
    """Torch's distributions, logits and probabilities tell the same as ours."""
    thoughts = of(info)

    assert thoughts.probabilities == pytest.approx([0.25, 0.75])
    assert thoughts.runner_up == 0


def test_looking_draws_no_random_numbers():
    """An entropy that has to be estimated leaves torch's random state as it was."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    of(Info(Beta(torch.full((1, 2), 2.0), torch.full((1, 2), 3.0))), torch.zeros(1, 2))

    assert torch.equal(before, torch.get_rng_state())


leaves = st.one_of(
    st.none(), st.integers(), st.text(max_size=3), st.builds(object), st.just(torch.zeros(2))
)
nests = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
        st.builds(lambda a, b: (a, b), inner, inner),
    ),
    max_leaves=8,
)


@given(nests)
def test_an_info_that_says_nothing_is_no_error(info):
    """Whatever stands in an info, what is not known stays out."""
    thoughts = of(info)

    assert (thoughts.value, thoughts.action_values, thoughts.entropy) == (None, None, None)
    assert thoughts.distributions == {}
    assert np.array_equal(thoughts.actions["action"], [0.0])
