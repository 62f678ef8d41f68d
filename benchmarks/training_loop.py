"""A2C and PPO on CartPole-v1 in as few eager operations as we know, to measure overhead by."""

import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch


def train_by_hand(
    name: str, task: dict[str, Any], seed: int
) -> tuple[int, float, Callable[[np.ndarray], int]]:
    """Train: environment steps, seconds, greedy policy."""
    if name not in ("a2c", "ppo", "ppowide"):
        raise SystemExit(f"There is no loop for {name}: take sb3 or sbx.")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    loop = _Loop(task, seed)
    start = time.perf_counter()
    iterations = task["steps"] // (task["envs"] * task["unroll"])
    for _ in range(iterations):
        loop.roll_out()
        loop.update()
    wall = time.perf_counter() - start
    return iterations * task["envs"] * task["unroll"], wall, loop.greedy


class _Loop:
    """Rollout into memory that is there, advantages, updates."""

    def __init__(self, task: dict[str, Any], seed: int):
        self.task = task
        envs, unroll = task["envs"], task["unroll"]
        self.env = gymnasium.make_vec(
            task["env"], num_envs=envs, vectorization_mode="vector_entry_point"
        )
        self.actor, self.critic = _network(task["hidden"], 2), _network(task["hidden"], 1)
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=task["lr"], fused=True)
        self.seen, _ = self.env.reset(seed=seed)
        self.observations = torch.zeros(unroll + 1, envs, 4)
        self.actions = torch.zeros(unroll, envs, dtype=torch.long)
        self.rewards, self.ended = (np.zeros((unroll, envs), np.float32) for _ in range(2))
        self.is_over = np.zeros(envs, bool)
        # Whether a row was reset by its step, whose action then did not count.
        self.dummy = np.zeros((unroll + 1, envs), np.float32)

    def greedy(self, seen: np.ndarray) -> int:
        """The best action."""
        with torch.inference_mode():
            return int(self.actor(torch.from_numpy(seen)).argmax())

    @torch.no_grad()
    def roll_out(self) -> None:
        """One unroll of each environment."""
        for t in range(self.task["unroll"]):
            self.observations[t] = torch.from_numpy(self.seen)
            noise = -torch.log(-torch.log(torch.rand(self.task["envs"], 2)))
            self.actions[t] = (self.actor(self.observations[t]) + noise).argmax(-1)
            self.dummy[t] = self.is_over
            self.seen, self.rewards[t], terminated, truncated, _ = self.env.step(
                self.actions[t].numpy()
            )
            self.ended[t], self.is_over = terminated, terminated | truncated
        self.observations[-1] = torch.from_numpy(self.seen)
        self.dummy[-1] = self.is_over

    @torch.no_grad()
    def advantages(self, values: torch.Tensor) -> torch.Tensor:
        """Generalized advantage estimates `[T, B]`."""
        gamma, decay = self.task["gamma"], self.task["gamma"] * self.task["lambda"]
        found, last = torch.zeros(values[:-1].shape), torch.zeros(values.shape[1])
        rewards, goes_on = torch.from_numpy(self.rewards), 1 - torch.from_numpy(self.ended)
        same = 1 - torch.from_numpy(self.dummy[1:])
        for t in reversed(range(len(found))):
            error = rewards[t] + gamma * values[t + 1] * goes_on[t] - values[t]
            last = error + decay * goes_on[t] * same[t] * last
            found[t] = last
        return found

    def update(self) -> None:
        """All updates on one unroll."""
        with torch.no_grad():
            values = self.critic(self.observations)[..., 0]
            advantages = self.advantages(values)
            old = self.log_probabilities(self.observations[:-1], self.actions)
        counts = 1 - torch.from_numpy(self.dummy[:-1])
        rows = [self.observations[:-1], self.actions, old, advantages, advantages + values[:-1]]
        flat = [x.flatten(0, 1).clone() for x in [*rows, counts]]
        if "epochs" not in self.task:
            self.step(*flat, clips=False)
            return
        for _ in range(self.task["epochs"]):
            order = torch.randperm(len(flat[0]))
            for chosen in order.split(self.task["batch"]):
                self.step(*(x[chosen] for x in flat), clips=True)

    def step(
        self,
        seen: torch.Tensor,
        actions: torch.Tensor,
        old: torch.Tensor,
        advantages: torch.Tensor,
        returns: torch.Tensor,
        counts: torch.Tensor,
        *,
        clips: bool,
    ) -> None:
        """One gradient step."""
        now = self.log_probabilities(seen, actions)
        if clips:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            ratio = (now - old).exp()
            gain = torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
        else:
            gain = now * advantages
        errors = (self.critic(seen)[:, 0] - returns).square()
        loss = (counts * (0.5 * errors - gain)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 0.5)
        self.optimizer.step()

    def log_probabilities(self, seen: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Of the actions that were taken."""
        logits = torch.log_softmax(self.actor(seen), -1)
        return logits.gather(-1, actions[..., None])[..., 0]


def _network(hidden: list[int], outputs: int) -> torch.nn.Sequential:
    layers, size = [], 4
    for width in hidden:
        layers += [torch.nn.Linear(size, width), torch.nn.Tanh()]
        size = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(size, outputs))
