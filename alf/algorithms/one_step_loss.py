"""The loss of a value of actions against the value one step later."""

from alf._config import configurable
from alf.algorithms.td_error import TDErrorLoss
from alf.algorithms.td_loss import TDLoss
from alf.ops.value_losses import element_wise_squared_loss


@configurable
class OneStepTDLoss(TDLoss):
    """Values against targets that look one step ahead, `r_{t+1} + gamma d_{t+1} V_{t+1}`.

    Args:
        gamma: discount of future rewards, in `[0, 1]`.
        td_error_loss_fn: `(target, value) -> loss`, element by element.
        debug_summaries: write the distribution of targets and values.
        name: prefix of summaries.
    """

    def __init__(
        self,
        gamma: float = 0.99,
        td_error_loss_fn: TDErrorLoss = element_wise_squared_loss,
        debug_summaries: bool = False,
        name: str = "OneStepTDLoss",
    ):
        super().__init__(
            gamma=gamma,
            td_error_loss_fn=td_error_loss_fn,
            td_lambda=0.0,
            debug_summaries=debug_summaries,
            name=name,
        )
