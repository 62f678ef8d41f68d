"""One update: what it says of itself."""

import pytest
import torch
from torch import nn

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import LossInfo, TimeStep
from alf.optimizers import SGD
from alf.tensor_specs import TensorSpec
from alf.trainers.compiled import Computed
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.update import Updater, total_loss


class Slope(Algorithm):
    """Its loss is `3 a + 4 b`, and `c` is in no loss."""

    def __init__(self, gradient_clipping: float | None):
        optimizer = SGD(lr=0.1, gradient_clipping=gradient_clipping)
        super().__init__(TensorSpec(()), TensorSpec(()), optimizer=optimizer)
        self.a, self.b, self.c = (nn.Parameter(torch.zeros(())) for _ in range(3))

    def loss(self) -> LossInfo:
        return LossInfo(loss=torch.stack([3 * self.a, 3 * self.a + 8 * self.b]))


@pytest.mark.parametrize(("clipping", "a_and_b"), [(None, (-0.3, -0.4)), (1.0, (-0.1, -0.1))])
def test_gradient_norm_is_watched(clipping, a_and_b, tmp_path):
    """It is that of all gradients, |(3, 4)| = 5, whether or not they are clipped afterwards."""
    algorithm = Slope(clipping)
    updater = Updater(algorithm, TrainerConfig(root_dir=str(tmp_path), algorithm_ctor=Slope))

    with summary.collect_scalars() as scalars:
        loss_info = algorithm.loss()
        updater.apply(Computed(total_loss(loss_info, None), loss_info, None, ()), TimeStep())

    assert pytest.approx(5.0) == scalars["train/grad_norm"]
    assert pytest.approx(a_and_b) == (algorithm.a.item(), algorithm.b.item())
