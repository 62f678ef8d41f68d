"""Optimizers: descriptions, steps by hand, clipping, schedules, and saving."""

import dataclasses
import io
from copy import deepcopy

import pytest
import torch
from torch import nn

from alf.errors import CheckpointError, ConfigError
from alf.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from alf.schedulers import LinearScheduler, isolated, update_progress

ALL = [Adam(), AdamW(), SGD(momentum=0.9), RMSprop()]
MORE = [Adam(amsgrad=True, weight_decay=0.1), AdamW(fused=False), Adam(eps=0.1, betas=(0.8, 0.9))]


def param(*values):
    return nn.Parameter(torch.tensor(values))


def give_grad(parameter, *values):
    parameter.grad = torch.tensor(values)


class TestDescription:
    def test_repr(self):
        """A description prints as the call that makes it."""
        text = repr(Adam(lr=0.01))

        assert text.startswith("Adam(lr=0.01, gradient_clipping=None")
        assert eval(text, {"Adam": Adam}) == Adam(lr=0.01)  # noqa: S307 - our own repr

    def test_frozen(self):
        """A description does not change."""
        with pytest.raises(dataclasses.FrozenInstanceError):
            Adam().lr = 1.0  # pyright: ignore[reportAttributeAccessIssue]

    @pytest.mark.parametrize(
        ("spec", "advice"),
        [
            (Adam(lr=-1.0), "learning rate"),
            (Adam(gradient_clipping=0.0), "must be positive"),
        ],
    )
    def test_refusals(self, spec, advice):
        """Values out of range are refused when the optimizer is built."""
        with pytest.raises(ConfigError, match=advice):
            spec.build([param(1.0)])

    def test_no_parameter(self):
        """An optimizer without parameters to train is refused."""
        with pytest.raises(ConfigError, match="no parameter"):
            Adam().build([nn.Parameter(torch.ones(1), requires_grad=False)])


class TestStep:
    def test_sgd_by_hand(self):
        """x - lr * grad."""
        x = param(1.0, 2.0)
        optimizer = SGD(lr=0.5).build([x])
        give_grad(x, 1.0, -2.0)

        assert optimizer.step() is None
        assert x.tolist() == [0.5, 3.0]

    def test_adam_by_hand(self):
        """Adam's first step is lr times the sign of the gradient."""
        x = param(1.0, 1.0)
        optimizer = Adam(lr=0.1).build([x])
        give_grad(x, 3.0, -0.01)
        optimizer.step()

        torch.testing.assert_close(x.detach(), torch.tensor([0.9, 1.1]), atol=1e-5, rtol=0)

    def test_adamw_decays_weights(self):
        """Without gradient only the decay remains: x (1 - lr * decay)."""
        x = param(1.0)
        optimizer = AdamW(lr=0.1, weight_decay=0.5).build([x])
        give_grad(x, 0.0)
        optimizer.step()

        assert x.item() == pytest.approx(0.95)

    def test_rmsprop_by_hand(self):
        """lr * grad / sqrt((1 - alpha) grad^2) at the first step."""
        x = param(0.0)
        optimizer = RMSprop(lr=0.1, alpha=0.75).build([x])
        give_grad(x, 4.0)
        optimizer.step()

        assert x.item() == pytest.approx(-0.2)

    @pytest.mark.parametrize("spec", ALL, ids=lambda s: type(s).__name__)
    def test_minimizes(self, spec: Optimizer):
        """Every optimizer walks downhill."""
        x = param(3.0, -2.0)
        optimizer = dataclasses.replace(spec, lr=0.02).build([x])
        for _ in range(200):
            optimizer.zero_grad()
            x.square().sum().backward()
            optimizer.step()

        assert x.detach().abs().max() < 0.5


class TestClipping:
    def test_global_norm(self):
        """Gradients (3, 0) and (0, 4) have norm 5; clipped to 1 they are (0.6, 0), (0, 0.8)."""
        x, y = param(0.0, 0.0), param(0.0, 0.0)
        spec = SGD(lr=1.0, gradient_clipping=1.0, clip_by_global_norm=True)
        optimizer = spec.build([x, y])
        give_grad(x, 3.0, 0.0)
        give_grad(y, 0.0, 4.0)
        norm = optimizer.step()

        assert norm is not None
        assert norm.item() == pytest.approx(5.0)
        torch.testing.assert_close(x.detach(), torch.tensor([-0.6, 0.0]))
        torch.testing.assert_close(y.detach(), torch.tensor([0.0, -0.8]))

    def test_each_alone(self):
        """Each gradient is clipped on its own; a small one stays."""
        x, y = param(0.0, 0.0), param(0.0)
        optimizer = SGD(lr=1.0, gradient_clipping=1.0).build([x, y])
        give_grad(x, 3.0, 4.0)
        give_grad(y, 0.5)
        norm = optimizer.step()

        assert norm is not None
        assert norm.item() == pytest.approx((25 + 0.25) ** 0.5)
        torch.testing.assert_close(x.detach(), torch.tensor([-0.6, -0.8]))
        torch.testing.assert_close(y.detach(), torch.tensor([-0.5]))

    def test_zero_and_missing_gradients(self):
        """A zero gradient is no division by zero; a missing one is passed over."""
        x, y = param(1.0), param(1.0)
        spec = SGD(lr=1.0, gradient_clipping=1.0, clip_by_global_norm=True)
        optimizer = spec.build([x, y])
        assert optimizer.step() is None
        give_grad(x, 0.0)
        norm = optimizer.step()

        assert norm is not None
        assert norm.item() == 0.0
        assert (x.item(), y.item()) == (1.0, 1.0)


def test_schedule():
    """The learning rate is asked at each step."""
    with isolated():
        x = param(0.0)
        optimizer = SGD(lr=LinearScheduler("percent", [(0.0, 1.0), (1.0, 0.0)])).build([x])
        give_grad(x, 1.0)
        for percent in (0.0, 0.5, 1.0):
            update_progress("percent", percent)
            optimizer.step()

        assert x.item() == pytest.approx(-1.5)
        assert optimizer.lr == 0.0


@pytest.mark.parametrize("spec", ALL, ids=lambda s: type(s).__name__)
def test_schedule_goes_on_after_loading(spec: Optimizer):
    """A resumed run asks for the learning rate as before; with 0 nothing moves."""
    with isolated():
        x = param(3.0)
        lr = LinearScheduler("percent", [(0.0, 1.0), (1.0, 0.0)])
        update_progress("percent", 0.0)
        optimizer = dataclasses.replace(spec, lr=lr).build([x])
        optimizer.load_state_dict(optimizer.state_dict())
        update_progress("percent", 1.0)
        give_grad(x, 1.0)
        optimizer.step()

        assert x.item() == 3.0


class TestSaving:
    @pytest.mark.parametrize("spec", ALL, ids=lambda s: type(s).__name__)
    def test_resumes_exactly(self, spec: Optimizer):
        """A run that was saved and loaded goes on as if it had not stopped."""

        def run(optimizer, x, steps):
            for _ in range(steps):
                optimizer.zero_grad()
                (x - 1).square().sum().backward()
                optimizer.step()

        x = param(3.0, -2.0)
        optimizer = spec.build([x])
        run(optimizer, x, 3)
        file = io.BytesIO()
        torch.save(optimizer.state_dict(), file)
        file.seek(0)
        twin = nn.Parameter(x.detach().clone())
        resumed = spec.build([twin])
        resumed.load_state_dict(torch.load(file, weights_only=True))
        run(optimizer, x, 3)
        run(resumed, twin, 3)

        assert torch.equal(x, twin)

    def test_the_conf_holds(self):
        """The learning rate of the new description wins over the saved one."""
        x = param(1.0)
        saved = Adam(lr=0.1).build([x]).state_dict()
        optimizer = Adam(lr=0.2).build([x])
        optimizer.load_state_dict(saved)

        assert optimizer.lr == 0.2

    def test_other_model(self):
        """The state of another model is refused."""
        saved = Adam().build([param(1.0), param(1.0)]).state_dict()
        with pytest.raises(CheckpointError, match="another number of parameters"):
            Adam().build([param(1.0)]).load_state_dict(saved)


def bowl(params):
    return torch.stack([((p - 1) * (i + 1)).square().sum() for i, p in enumerate(params)]).sum()


def train(optimizer, params, steps, skipped=()):
    """Steps down a bowl; in `skipped` ones the last parameter has no gradient."""
    for step in range(steps):
        optimizer.zero_grad()
        bowl(params).backward()
        if step in skipped:
            params[-1].grad = None
        optimizer.step()


def several():
    """Parameters of several shapes, one laid out with channels last, one a number."""
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(2, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last)
    shapes = [(3,), (4, 2), ()]
    return [
        nn.Parameter(image),
        *(nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes),
    ]


class TestFlat:
    """Parameters in one tensor."""

    @pytest.mark.parametrize("clips", [True, False], ids=["global norm", "each alone"])
    @pytest.mark.parametrize("spec", [*ALL, *MORE], ids=str)
    def test_steps_are_those_of_torch(self, spec: Optimizer, clips):
        """What is stepped as one moves as if each parameter were stepped alone."""
        spec = dataclasses.replace(spec, lr=0.1, gradient_clipping=2.0, clip_by_global_norm=clips)
        ours, theirs = several(), several()
        optimizer = spec.build(ours)
        alone = spec._make(theirs, 0.1)
        train(optimizer, ours, 5)
        for _ in range(5):
            alone.zero_grad()
            bowl(theirs).backward()
            for group in [theirs] if clips else [[p] for p in theirs]:
                nn.utils.clip_grad_norm_(group, 2.0)
            alone.step()

        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("sizes", [(0.5, 1.5, 0.9), (1.1, 0.2, 3.0), (1.0, 1.0, 0.0)], ids=str)
    def test_gradients_about_the_limit_are_clipped_as_torch_does(self, sizes):
        """Those within it stay as they are, those a little beyond are cut to it."""
        direction = torch.tensor([0.6, 0.0, -0.8])
        ours, theirs = [param(1.0, 2.0, 3.0)], [param(1.0, 2.0, 3.0)]
        optimizer = Adam(lr=0.1, gradient_clipping=2.0, clip_by_global_norm=True).build(ours)
        alone = torch.optim.Adam(theirs, lr=0.1)
        for size in sizes:
            for (x,), step in ((ours, optimizer.step), (theirs, alone.step)):
                x.grad = direction * (2.0 * size)
                if x is theirs[0]:
                    nn.utils.clip_grad_norm_([x], 2.0)
                step()

        torch.testing.assert_close(ours[0], theirs[0], rtol=1e-6, atol=1e-7)

    def test_parameters_stay_what_they_were(self):
        """Objects, values, shapes and strides; all in one stretch of memory."""
        params, before = several(), several()
        Adam().build(params)

        for one, other in zip(params, before, strict=True):
            assert torch.equal(one, other)
            assert one.stride() == other.stride()
        assert 1 == len({p.untyped_storage().data_ptr() for p in params})

    @pytest.mark.parametrize("spec", ALL, ids=lambda s: type(s).__name__)
    @pytest.mark.parametrize("skipped", [(), (1,), (4,)], ids=["never", "before", "after"])
    def test_saved_state_is_that_of_single_parameters(self, spec: Optimizer, skipped):
        """Torch's own optimizer takes it; a resumed run ends at the same bits, gaps or not."""
        params = several()
        optimizer = spec.build(params)
        train(optimizer, params, 3, [s for s in skipped if s < 3])
        twins = [nn.Parameter(p.detach().clone()) for p in params]
        saved = deepcopy(optimizer.state_dict())
        spec._make(twins, 0.1).load_state_dict(deepcopy(saved))
        resumed = spec.build(twins)
        resumed.load_state_dict(deepcopy(saved))
        rest = [s - 3 for s in skipped]
        train(optimizer, params, 3, rest)
        train(resumed, twins, 3, rest)

        assert list(range(4)) == saved["param_groups"][0]["params"]
        for index, state in saved["state"].items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor) and name != "step":
                    assert value.shape == params[index].shape
        for one, other in zip(params, twins, strict=True):
            assert torch.equal(one, other)

    def test_parameter_without_gradient_does_not_move(self):
        """Adam's averages would go on moving it if a missing gradient were a zero one."""
        params = several()
        optimizer = Adam(lr=0.1).build(params)
        train(optimizer, params, 3)
        before = [p.detach().clone() for p in params]
        train(optimizer, params, 1, skipped=(0,))

        assert torch.equal(before[-1], params[-1])
        assert not torch.equal(before[0], params[0])

    def test_new_memory_is_noticed(self):
        """A parameter whose memory was replaced is still the one that is moved."""
        params = several()
        optimizer = SGD(lr=0.5).build(params)
        params[1].data = torch.zeros(3)
        train(optimizer, params, 1)

        # The slope of (2 (x - 1))^2 at 0 is -8.
        assert [4.0] * 3 == params[1].tolist()

    def test_other_kinds_are_stepped_alone(self):
        """Two dtypes cannot lie in one tensor."""
        params = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2, dtype=torch.float64))]
        optimizer = Adam(lr=0.1, fused=False).build(params)
        train(optimizer, params, 1)

        for p in params:
            torch.testing.assert_close(p.detach().float(), torch.full((2,), 0.1))


def test_fused_where_torch_has_it():
    """On the CPU Adam runs as one kernel, unless told otherwise."""
    fused = Adam().build([param(1.0)])
    plain = Adam(fused=False).build([param(1.0)])

    assert fused.state_dict()["param_groups"][0]["fused"] is True
    assert plain.state_dict()["param_groups"][0]["fused"] is False
