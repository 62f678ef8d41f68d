"""What counts as the same, as close to it, and as something else."""

import pytest
import torch

from alf.trainers.verdict import Verdict, compare_tensors, same_bits

NAN = float("nan")
INF = float("inf")
FEW = [1.0, -2.0, 3.0]


def verdict(then, now, **kwargs) -> Verdict:
    """Of one tensor `x`."""
    return compare_tensors({"x": torch.as_tensor(then)}, {"x": torch.as_tensor(now)}, **kwargs)


def test_the_same_bits_are_exact():
    """Numbers of every kind, NaN and infinity too, equal themselves."""
    recorded = {
        "floats": torch.tensor([1.5, NAN, INF, -INF, 0.0, -0.0]),
        "halves": torch.tensor([1.5, NAN], dtype=torch.float16),
        "numbers": torch.tensor([2**40, -3]),
        "answers": torch.tensor([True, False]),
        "waves": torch.tensor([1 + 2j, complex(NAN, 0.0)]),
        "nothing": torch.zeros(0, 4),
        "one": torch.tensor(7.0),
    }
    found = {name: tensor.clone() for name, tensor in recorded.items()}

    assert compare_tensors(recorded, found) == Verdict("exact", "7 tensors equal bit for bit")
    assert compare_tensors(recorded, found, exactly=True).word == "exact"
    assert verdict(FEW, FEW) == Verdict("exact", "1 tensor equal bit for bit")


def test_how_a_tensor_lies_in_memory_does_not_count():
    """A transposed view equals a copy of it, with NaN and without."""
    for corner in (0.0, NAN):
        square = torch.tensor([[corner, 1.0], [2.0, 3.0]])

        assert verdict(square.T, square.T.contiguous()).word == "exact"


@pytest.mark.parametrize("now", [0.1000005, 0.100009])
def test_a_little_is_close(now):
    """What another processor may add, 1e-5 + 1e-4 of the value, is named and measured."""
    found = compare_tensors(
        {"a": torch.tensor(FEW), "b": torch.tensor([0.5, 0.1])},
        {"a": torch.tensor(FEW), "b": torch.tensor([0.5, now])},
    )

    assert found.word == "close"
    assert found.holds
    assert found.told == f"'b' differs most, by {now - 0.1:.2g}"


def test_the_largest_of_small_differences_is_told():
    """Among close tensors, the reader hears of the one that is furthest off."""
    then = {"a": torch.tensor([0.0]), "b": torch.tensor([0.0]), "c": torch.tensor([0.0])}
    now = {"a": torch.tensor([1e-6]), "b": torch.tensor([-5e-6]), "c": torch.tensor([2e-6])}

    assert compare_tensors(then, now).told == "'b' differs most, by 5e-06"


def test_more_than_a_little_differs():
    """0.00002 is more than 1e-5 + 1e-4 * 0.05; the first such tensor is named with its count."""
    found = compare_tensors(
        {"close": torch.tensor([0.1]), "far": torch.tensor([0.05, 4.0, 0.05]), "z": torch.ones(1)},
        {
            "close": torch.tensor([0.100001]),
            "far": torch.tensor([0.05, 4.5, 3.05]),
            "z": -torch.ones(1),
        },
    )

    assert found == Verdict("differs", "'far' differs first, in 2 of 3 numbers, by up to 3")
    assert not found.holds
    assert verdict([0.05], [0.05002]).word == "differs"


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ([1.0, NAN], [1.0, 2.0], "in 1 of 2 numbers, by up to inf"),
        ([1.0, 2.0], [1.0, NAN], "in 1 of 2 numbers, by up to inf"),
        ([1.0, INF], [1.0, -INF], "in 1 of 2 numbers, by up to inf"),
        ([NAN, 2.0], [NAN, 5.0], "in 1 of 2 numbers, by up to 3"),
    ],
)
def test_what_is_no_number_is_compared_too(then, now, told):
    """NaN equals NaN and nothing else; it never hides another difference."""
    found = verdict(then, now)

    assert found.word == "differs"
    assert found.told == f"'x' differs first, {told}"


def test_zeros_of_two_signs_are_close_but_not_exact():
    """-0.0 equals 0.0 and has another bit."""
    found = verdict([0.0, 1.0], [-0.0, 1.0])

    assert found == Verdict("close", "'x' differs in the sign of a zero or NaN")
    assert verdict([0.0], [-0.0], exactly=True) == Verdict(
        "differs", "'x' differs first, in the sign of a zero or NaN"
    )
    assert not same_bits(torch.tensor([0.0 + 0.0j]), torch.tensor([complex(-0.0, 0.0)]))


def test_whole_numbers_are_never_close():
    """An action is the same or another one."""
    assert verdict([3, 4, 5], [3, 4, 7]) == Verdict(
        "differs", "'x' differs first, in 1 of 3 numbers, by up to 2"
    )
    assert verdict([True, False], [True, True]).word == "differs"
    assert (
        verdict([1 + 1j, 1j], [1 + 1j, 4j]).told
        == "'x' differs first, in 1 of 2 numbers, by up to 3"
    )


def test_exactly_takes_no_little_difference():
    """Where bits are asked for, the smallest difference counts."""
    found = verdict([1.0, 2.0], [1.0, 2.0000002], exactly=True)

    assert found.word == "differs"
    assert found.told.startswith("'x' differs first, in 1 of 2 numbers, by up to 2.4e-07")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (torch.zeros(3, 2), "'x' was float32[2, 3] and is float32[3, 2]"),
        (torch.zeros(2, 3, dtype=torch.float64), "'x' was float32[2, 3] and is float64[2, 3]"),
        (torch.zeros(2, 3, dtype=torch.int64), "'x' was float32[2, 3] and is int64[2, 3]"),
    ],
)
def test_another_shape_or_type_is_told(now, told):
    """Tensors that cannot be compared are described."""
    assert verdict(torch.zeros(2, 3), now) == Verdict("differs", told)


def test_a_missing_name_differs_and_an_extra_one_does_not():
    """An algorithm may show more of itself than it did, but not less."""
    one, two = {"a": torch.ones(1)}, {"a": torch.ones(1), "b": torch.ones(1)}

    assert compare_tensors(one, two).word == "exact"
    assert compare_tensors(two, one) == Verdict("differs", "'b' is not there any more")


def test_other_devices_are_named():
    """Where the answers were computed elsewhere, a small difference has its reason."""
    found = verdict([1.0], [1.00001], recorded_on="cuda:0", found_on="cpu")

    assert found.told.endswith(", cuda:0 then and cpu now")
    assert "then" not in verdict([1.0], [1.00001], recorded_on="cpu", found_on="cpu").told
