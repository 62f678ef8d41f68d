"""Numpy arrays out of whatever holds numbers: lists, arrays, and tensors of any kind."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def to_numpy(data: Any) -> NDArray:
    """`data` as a numpy array, which may share memory with it.

    Args:
        data: a number, an array, a (nested) list of numbers or tensors, or a tensor: with or
            without gradient, on any device, of any type. Types that numpy lacks, as bfloat16,
            become float32.
    """
    if isinstance(data, torch.Tensor):
        tensor = data.detach().cpu()
        if tensor.dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
            tensor = tensor.float()
        return tensor.resolve_conj().resolve_neg().numpy()
    if isinstance(data, (list, tuple)) and any(isinstance(x, torch.Tensor) for x in data):
        return np.stack([to_numpy(x) for x in data])
    return np.asarray(data)
