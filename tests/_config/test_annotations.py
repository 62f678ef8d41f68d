"""Type checks: plainly wrong values are caught, doubtful ones pass."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional, TypeVar

import numpy as np
import pytest
import torch

from alf._config import config1, configurable, get_config_value
from alf._config.annotations import accepts
from alf.errors import ConfigError
from alf.schedulers import ConstantScheduler
from alf.tensor_specs import TensorSpec

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 3),
        (int, True),
        (int, 1e6),
        (int, np.int64(3)),
        (int, torch.tensor(3)),
        (float, 3),
        (float, np.float32(0.5)),
        (float, torch.tensor(0.5)),
        (float, partial(float)),
        (bool, 1),
        (str, "x"),
        (tuple, [1]),
        (tuple[int, ...], (1, 2)),
        (tuple[int, ...] | None, None),
        (list[int], (1,)),
        (Sequence[int], [1]),
        (Sequence[str], "abc"),
        (dict[str, int], {}),
        (Mapping[str, int], {}),
        (Callable[..., Any], len),
        (Callable, partial(len)),
        (Callable | None, None),
        (type, int),
        (Optional[int], None),  # noqa: UP045
        (int | str, "x"),
        (int | Callable, len),
        (Literal["a", "b"], "a"),
        (Any, object()),
        (T, 3),
        (object, 3),
        (np.ndarray, 3),
        ("not a type", 3),
        (float, lambda step: 0.5),
        (int, ConstantScheduler(3)),
        (float, torch.ones(())),
        (Sequence[int], np.ones(2)),
        (tuple[int, ...], torch.Size([2])),
        (type, partial(int)),
        (str, Path("/x")),
        (TensorSpec, TensorSpec((1,))),
        (TensorSpec | None, None),
        (float | TensorSpec, 3),
        (tuple[tuple[int, ...], ...], ((1, 2, 3), [4])),
        (tuple[int, str], (1, "x", 2)),
        (bool, np.bool_(True)),
        (float, np.ones((1, 1))),
        (Callable[[int, int], int], lambda a, b=1: a),
        (Callable[[int, int], int], lambda *a: a),
        (Callable[[int, int], int], partial(lambda a, b, c: a, c=1)),
        (Callable[[int, int], int], max),  # it does not say what it takes
        (Callable[[int], int], torch.nn.ReLU),
        (Callable[[int], int], type("Activation", (), {"__init__": lambda self: None})),
        (float | Callable[[], float], lambda: 0.1),
        (Sequence[Callable[[int], int]], [len]),
    ],
)
def test_accepted(annotation, value):
    """A value that can be meant passes, and so does whatever is in doubt."""
    assert accepts(annotation, value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "3"),
        (int, 0.5),
        (int, None),
        (int, (3,)),
        (float, "1e-3"),
        (float, [0.1]),
        (bool, "False"),
        (bool, 2),
        (str, 3),
        (str, None),
        (tuple, 3),
        (tuple[int, ...] | None, 3),
        (tuple[int, ...], "(1, 2)"),
        (dict[str, int], 3),
        (Callable[..., Any], "f"),
        (Callable | None, 3),
        (type, "int"),
        (int | None, "x"),
        (Optional[int], "x"),  # noqa: UP045
        (Literal["a", "b"], "c"),
        (tuple[int, ...], ("a",)),
        (tuple[int, ...] | None, [1, 2.5]),
        (tuple[int, str], ("x", 1)),
        (Sequence[tuple[int, ...]], [(1, "x")]),
        (int, len),
        (int, lambda: 1),
        (int, partial(int)),
        (int, torch.nn.ReLU),
        (int, torch.float64),
        (str, max),
        (str, torch.tensor(1)),
        (tuple[int, ...], torch.relu),
        (Sequence[int], np.float64),
        (Callable[..., Any], np.float32(3)),
        (Callable | None, torch.tensor(1)),
        (TensorSpec, (1,)),
        (TensorSpec | None, "x"),
        (TensorSpec, partial(int)),
        (tuple[int, ...], np.float32(3)),
        *((kind, array) for kind in (bool, int, float) for array in (np.ones(3), torch.ones(2, 2))),
        (Callable[[int, int], int], lambda a: a),
        (Callable[[int, int], int], lambda a, b, c: a),
        (Callable[[int, int], int], lambda a, b, *, c: a),
        (Callable[[int, int], int] | None, partial(lambda a, b: a, 1)),
        (float | Callable[[], float], lambda step: 0.1),
        (Sequence[Callable[[int], int]], [lambda: 1]),
        (Sequence[Callable[[int], int]], "abc"),
        (Sequence[Callable[[int], int]], np.ones(3)),
        (tuple[tuple[int, ...], ...], np.ones((2, 2))),
        (str | None, np.ones((2, 2))),
    ],
)
def test_refused(annotation, value):
    """A plain value of plainly another type is refused."""
    assert not accepts(annotation, value)


def test_annotations_as_text():
    """Postponed annotations are judged; names for type checkers only are not."""

    @configurable
    def some(a: "int | None" = 1, b: "Decimal" = None, c: int = None):  # type: ignore  # noqa: RUF013
        return a, b, c

    config1("some.a", None)
    config1("some.b", "anything")
    config1("some.c", None)
    assert some() == (None, "anything", None)
    with pytest.raises(Exception, match=r"takes int \| None, but was given 'x'"):
        config1("some.a", "x")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ActorCriticLoss.gamma", lambda: 0.9, "takes a number"),
        ("TrainerConfig.random_seed", 10**30, "takes int of at most 64 bits"),
        ("ActorCriticLoss.gamma", 10**400, "takes float of at most 1e308"),
        ("Adam.betas", (0.9,), r"takes tuple\[float, float\]"),
    ],
)
def test_numbers_of_alf(name, value, expected):
    """Parameters of alf take a function only where they say so, and no number that has no place."""
    with pytest.raises(ConfigError, match=expected):
        config1(name, value)


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [("ActorCriticLoss.advantage_clip", 10**30, 1e30), ("Adam.amsgrad", 0, False)],
)
def test_numbers_as_they_are_meant(name, given, meant):
    """A huge number is a float where one is wanted; 0 is False where only that can be."""
    config1(name, given)

    value = get_config_value(name)
    assert (type(meant), meant) == (type(value), value)
