"""What soft actor-critic knows of each step."""

from typing import Any, NamedTuple


class SacMemory(NamedTuple):
    """The memories of the networks, `()` for one without."""

    actor: Any = ()
    critics: Any = ()
    target_critics: Any = ()


class SacInfo(NamedTuple):
    """What the loss needs of a sample; `P` parts of an action, the discrete one first.

    Attributes:
        step_type: `[T, B]`.
        discount: `[T, B]`.
        reward: `[T, B]`.
        action: what was done, nest of `[T, B, ...]`.
        action_distribution: from `predict_step`, the policy, a nest like the action.
        value: values of what was done, `[T - 1, B, R]`; from `predict_step` while panels are drawn,
            the lowest value of the action, `[B]`.
        next_value: soft values of the rows `1, ..., T - 1`, `[T - 1, B]`.
        actor_loss: `[T - 1, B]`; `()` without a continuous part.
        log_pi: log probability of a new action of the policy, or its expectation where that is
            known, `[T - 1, B, P]`.
        q_values: from `predict_step` while panels are drawn, the lowest values of all choices of a
            discrete action, `[B, n]`.
        memory: before each step, a `SacMemory`, from `rollout_step`; `()` without any.
    """

    step_type: Any = ()
    discount: Any = ()
    reward: Any = ()
    action: Any = ()
    action_distribution: Any = ()
    value: Any = ()
    next_value: Any = ()
    actor_loss: Any = ()
    log_pi: Any = ()
    q_values: Any = ()
    memory: Any = ()


class SacLossInfo(NamedTuple):
    """The terms of the loss, `[T - 1, B]`, and where a summary is due what tells how it goes."""

    critic: Any = ()
    actor: Any = ()
    alpha: Any = ()
    td: Any = ()
    entropy: Any = ()
    temperature: Any = ()


def state_of(actor: Any, critics: Any) -> Any:
    """`()` where no network has a memory, so that the trainer can skip its bookkeeping."""
    return () if actor == () and critics == () else SacMemory(actor, critics)
