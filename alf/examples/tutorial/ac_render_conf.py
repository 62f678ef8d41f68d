"""Show what an actor-critic policy thinks: an algorithm that draws its action and distribution.

Train it, then play it with `--alg_render`.
"""

from functools import partial

import alf
import alf.summary.render as render  # noqa: PLR0402 - as the tutorial writes it
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

# Importing a conf sets all that it sets.
from alf.examples import ac_cart_pole_conf  # noqa: F401


class ACRenderAlgorithm(ActorCriticAlgorithm):
    """An actor-critic algorithm that draws what it predicts."""

    def predict_step(self, inputs, state):
        """Predict as usual, and put two panels into `info`."""
        alg_step = super().predict_step(inputs, state)
        action = alg_step.output
        action_dist = alg_step.info.action_distribution
        with alf.summary.scope("ACRender"):
            # Each is an `Image`, or `None` unless play runs with --alg_render.
            action_img = render.render_action(
                name="predicted_action", action=action, action_spec=self._action_spec
            )
            action_dist_img = render.render_action_distribution(
                name="predicted_action_distribution",
                act_dist=action_dist,
                action_spec=self._action_spec,
            )
        # Any nest will do: play finds the images wherever they stand.
        return alg_step._replace(
            info={"action_img": action_img, "action_dist_img": action_dist_img, "ac": alg_step.info}
        )


alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ACRenderAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    num_iterations=1000,
)
