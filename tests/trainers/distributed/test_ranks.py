"""What ranks do together: numbers by hand, in two processes."""

import pytest
import torch

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.errors import ConfigError
from alf.trainers.distributed.ranks import Ranks as Alone
from alf.trainers.distributed.sharing import seed_of, share_of, share_of_config
from alf.trainers.stop import StopSignals
from alf.trainers.trainer_config import TrainerConfig


def test_gradients_are_the_mean_over_all_steps(ranks, tmp_path):
    """A rank with three times as many steps counts three times; no gradient stays none."""
    found = ranks.evaluate(
        tmp_path,
        """
        w, unused = (torch.nn.Parameter(torch.zeros(2, 1)) for _ in range(2))
        w.grad = torch.tensor([[1.0], [2.0]]) if ranks.is_first else torch.tensor([[5.0], [2.0]])
        ranks.average_gradients([w, unused], 1 if ranks.is_first else torch.tensor(3))
        result = [w.grad.flatten().tolist(), unused.grad is None]
        """,
    )

    assert [[[4.0, 2.0], True]] * 2 == found


def test_two_ranks_update_as_one_process_with_both_batches(ranks, tmp_path):
    """Clipping included, and with batches of which not the same number of steps counts."""
    code = """
        from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
        from alf.data_structures import LossInfo, TimeStep
        from alf.optimizers import Adam
        from alf.tensor_specs import BoundedTensorSpec, TensorSpec
        from alf.trainers.compiled import Computed
        from alf.trainers.trainer_config import TrainerConfig
        from alf.trainers.update import Updater, total_loss

        torch.manual_seed(3)
        algorithm = ActorCriticAlgorithm(
            TensorSpec((3,)),
            BoundedTensorSpec((), torch.int64, 0, 1),
            optimizer=Adam(lr=0.1, gradient_clipping=0.5, clip_by_global_norm=True),
        )
        updater = Updater(algorithm, TrainerConfig(root_dir="", algorithm_ctor=type(algorithm)))
        seen, valid = torch.randn(4, 6, 3), torch.rand(4, 6) < 0.7
        if ranks.count > 1:
            updater.ranks = ranks
            columns = slice(0, 2) if ranks.is_first else slice(2, 6)
            seen, valid = seen[:, columns], valid[:, columns]
        for _ in range(3):
            value, _ = algorithm._value_network(seen.flatten(0, 1), ())
            info = LossInfo(loss=(value.view(valid.shape) - seen.sum(-1)).square())
            computed = Computed(total_loss(info, valid), info, valid, ())
            updater.apply(computed, TimeStep())
        result = torch.cat([p.flatten() for p in algorithm.parameters()]).tolist()
        """
    first, second = ranks.evaluate(tmp_path, code)
    (whole,) = ranks.evaluate(tmp_path, code, count=1)

    assert first == second
    assert torch.allclose(torch.tensor(whole), torch.tensor(first), atol=1e-6)
    assert len(whole) == 12


@pytest.mark.parametrize("mode", ["adaptive", "ema", "window"])
def test_statistics_are_those_of_all_environments(mode, ranks, tmp_path):
    """At each step, also where a rank has nothing to count, or none has."""
    code = f"""
        from alf.trainers.distributed.pooling import SharedStatistics
        from alf.transforms.normalizer import Normalizer

        normalizer = Normalizer((2,), mode={mode!r}, update_rate=0.3)
        SharedStatistics(torch.nn.Sequential(normalizer), ranks)
        torch.manual_seed(0)
        for rows in (5, 5, 2, 0, 5):
            x = 100 + torch.randn(rows, 2)
            if ranks.count > 1:
                x = x[:2] if ranks.is_first else x[2:]
            normalizer.update(x)
        result = [*normalizer.mean.tolist(), *normalizer.variance.tolist(), int(normalizer.count)]
        """
    first, second = ranks.evaluate(tmp_path, code)
    (whole,) = ranks.evaluate(tmp_path, code, count=1)

    assert first == second
    assert whole == pytest.approx(first, rel=1e-5)
    assert 4 == whole[-1]


def test_batch_normalization_is_averaged(ranks, tmp_path):
    """Its running statistics are the same on all ranks at the end of an iteration."""
    found = ranks.evaluate(
        tmp_path,
        """
        from alf.trainers.distributed.pooling import SharedStatistics

        layer = torch.nn.BatchNorm1d(1, momentum=1.0)
        shared = SharedStatistics(torch.nn.Sequential(layer), ranks)
        layer(torch.tensor([[1.0], [3.0]]) + 4 * ranks.rank)
        shared.end_iteration()
        result = [layer.running_mean.item(), layer.running_var.item()]
        """,
    )

    assert [[4.0, 2.0]] * 2 == found


def test_a_model_that_is_not_the_same_any_more(ranks, tmp_path):
    """The first tensor that differs is named, on all ranks; one bit is enough."""
    found = ranks.evaluate(
        tmp_path,
        """
        from alf.errors import TrainingError
        from alf.trainers.distributed.agreement import check_same_model, start_with_same_model

        torch.manual_seed(ranks.rank)
        model = torch.nn.Linear(2, 3)
        start_with_same_model(model, ranks)
        check_same_model(model, 1, ranks)
        with torch.no_grad():
            if not ranks.is_first:
                model.bias[2] = torch.nextafter(model.bias[2], torch.tensor(9.0))
        try:
            check_same_model(model, 7, ranks)
        except TrainingError as error:
            result = str(error)
        """,
    )

    assert 1 == len(set(found))
    told = "the model of rank 1 is not that of rank 0 any more after iteration 7: 'bias' differs"
    assert told in found[0]


def test_ranks_that_are_about_to_do_something_else(ranks, tmp_path):
    """Both values are shown, and who has which."""
    found = ranks.evaluate(
        tmp_path,
        """
        from alf.errors import UsageError
        from alf.trainers.distributed.agreement import check_same_start

        check_same_start({"the conf": "a"}, ranks)
        try:
            check_same_start({"the conf": "ab"[ranks.rank]}, ranks)
        except UsageError as error:
            result = str(error)
        """,
    )

    assert 1 == len(set(found))
    assert "the conf of rank 1 is 'b', that of rank 0 'a'" in found[0]


def test_scalars_are_means_and_counts_are_sums(ranks, tmp_path):
    """A tag that one rank alone has is its own; returns are means over all episodes."""
    found = ranks.evaluate(
        tmp_path,
        """
        from alf.data_structures import StepType, TimeStep
        from alf.metrics import StandardMetrics
        from alf.trainers.distributed.pooling import JobTotals, mean_scalars

        def step(kind, reward):
            return TimeStep(
                step_type=torch.tensor([kind]), reward=torch.tensor([reward]),
                discount=torch.ones(1), env_info=(),
            )

        metrics = StandardMetrics(step(StepType.FIRST, 0.0))
        totals = JobTotals(metrics, ranks)
        for reward in [6.0] if ranks.is_first else [1.0, 2.0]:
            metrics(step(StepType.FIRST, 0.0))
            metrics(step(StepType.LAST, reward))
        before = totals.average_return
        totals.exchange()
        told = totals.results()
        scalars = {"a": 1.0 + ranks.rank, **({} if ranks.is_first else {"b": 7.0})}
        result = [
            before, totals.env_steps, totals.average_return, told["Metrics/EnvironmentSteps"],
            told["Metrics/NumberOfEpisodes"], told["Metrics/AverageReturn"],
            mean_scalars(scalars, ranks),
        ]
        """,
    )

    assert [[None, 3, 3.0, 3.0, 3.0, 3.0, {"a": 1.5, "b": 7.0}]] * 2 == found


def test_a_signal_counts_when_all_know_of_it():
    """What came here waits until it is heeded, and what came elsewhere is heeded here."""
    signals = StopSignals(together=True)
    with signals:
        signals._on_save(0, None)
        assert signals.take_save_request() is False
        assert (0, True) == signals.take()
        assert (0, False) == signals.take()
        signals.heed(15, True)

    assert 15 == signals.stop
    assert signals.take_save_request() is True
    assert signals.take_save_request() is False


def of_three() -> Alone:
    ranks = Alone()
    ranks.count, ranks.rank = 3, 2
    return ranks


def test_what_is_divided():
    """Minibatches exactly, counts rounded up; all else is as the conf says."""
    config = TrainerConfig(
        root_dir="",
        algorithm_ctor=ActorCriticAlgorithm,
        mini_batch_size=6,
        initial_collect_steps=10,
        metric_min_buffer_size=4,
        num_evals=5,
        num_env_steps=0,
    )
    share = share_of_config(config, of_three())

    assert (2, 4, 2) == (
        share.mini_batch_size,
        share.initial_collect_steps,
        share.metric_min_buffer_size,
    )
    assert config.eval_interval == share.eval_interval
    assert config is share_of_config(config, Alone())
    assert seed_of(5, Alone()) == 5 != seed_of(5, of_three())


def test_what_cannot_be_divided():
    """The parameter is named, and the next number that can be."""
    with pytest.raises(ConfigError, match=r"^TrainerConfig\.mini_batch_size is 8, .* such as 9,"):
        share_of("TrainerConfig.mini_batch_size", 8, of_three())
