"""Whether tensors are what they were: exactly, closely, or not."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

RELATIVE = 1e-4
ABSOLUTE = 1e-5
"""What other processors, thread counts and versions of a library may add to a float32 result."""


@dataclass(frozen=True)
class Verdict:
    """Outcome of a comparison with what was recorded.

    Attributes:
        word: `"exact"`, `"close"`, `"differs"` or `"absent"`.
        told: the same in a sentence for a reader, without a full stop.
    """

    word: str
    told: str

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return self.word != "differs"


ABSENT = Verdict("absent", "this checkpoint has no fingerprint")


def compare_tensors(
    recorded: Mapping[str, torch.Tensor],
    found: Mapping[str, torch.Tensor],
    recorded_on: str = "",
    found_on: str = "",
    *,
    exactly: bool = False,
) -> Verdict:
    """Compare tensors by name, in the order in which they were recorded.

    What is found beyond the recorded names does not count: an algorithm may have learned to show
    more of itself.

    Args:
        recorded: from then.
        found: from now.
        recorded_on: the device of then, for the words.
        found_on: the device of now.
        exactly: whether close is not enough.
    """
    largest, where = 0.0, ""
    for name, then in recorded.items():
        now = found.get(name)
        if now is None:
            return Verdict("differs", f"'{name}' is not there any more")
        if now.shape != then.shape or now.dtype != then.dtype:
            return Verdict("differs", f"'{name}' was {_kind(then)} and is {_kind(now)}")
        if same_bits(then, now):
            continue
        difference = _difference(then, now)
        if exactly or not _is_close(then, now):
            return Verdict("differs", f"'{name}' differs first, {_told(then, now, difference)}")
        if difference > largest or not where:
            largest, where = difference, name
    count = f"{len(recorded)} tensors" if len(recorded) != 1 else "1 tensor"
    if not where:
        return Verdict("exact", f"{count} equal bit for bit")
    devices = f", {recorded_on} then and {found_on} now" if recorded_on != found_on else ""
    amount = f"most, by {largest:.2g}" if largest else "in the sign of a zero or NaN"
    return Verdict("close", f"'{where}' differs {amount}{devices}")


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors of one shape and type hold the same bits; a NaN equals itself."""
    if not (a.is_floating_point() or a.is_complex()):
        return torch.equal(a, b)
    flat = (x.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for x in (a, b))
    return torch.equal(*flat)


def _is_close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if not a.is_floating_point():
        return False
    return torch.allclose(a, b, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


def _difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest absolute difference; infinite where one is a number and the other is not."""
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    gaps = (a.detach().cpu().double() - b.detach().cpu().double()).abs()
    return float(gaps.where(_unequal(a, b), 0.0).nan_to_num(float("inf"), float("inf")).max())


def _unequal(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Where numbers differ; a NaN equals itself, and zeros of two signs equal each other."""
    a, b = a.detach().cpu(), b.detach().cpu()
    return (a != b) & ~(a.isnan() & b.isnan())


def _told(a: torch.Tensor, b: torch.Tensor, difference: float) -> str:
    count = int(_unequal(a, b).sum())
    if not count:
        return "in the sign of a zero or NaN"
    return f"in {count} of {a.numel()} numbers, by up to {difference:.2g}"


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
