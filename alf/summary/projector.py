"""Embeddings as files for TensorBoard's projector: vectors, labels and thumbnails."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

CONFIG_NAME = "projector_config.pbtxt"


def write_embedding(
    log_dir: Path,
    tag: str,
    vectors: NDArray,
    step: int,
    labels: list[str] | None = None,
    images: NDArray | None = None,
) -> None:
    """Write one embedding below `log_dir` and enter it in the projector's list.

    Args:
        log_dir: the folder of the event file.
        tag: name of the embedding, scopes included.
        vectors: `[N, D]`.
        step: part of the folder's name, so that embeddings of several steps stand side by side.
        labels: `N` texts, or `None`.
        images: uint8 `[N, H, W, C]`, or `None`.
    """
    folder = Path(f"{step:05d}") / tag.replace("/", "__")
    (log_dir / folder).mkdir(parents=True, exist_ok=True)
    np.savetxt(log_dir / folder / "tensors.tsv", vectors, delimiter="\t", fmt="%.8g")

    entry = [
        f'  tensor_name: "{tag}:{step:05d}"',
        f'  tensor_path: "{(folder / "tensors.tsv").as_posix()}"',
    ]
    if labels is not None:
        # A tab or a newline would begin another column or row.
        lines = [" ".join(label.split()) for label in labels]
        (log_dir / folder / "metadata.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        entry.append(f'  metadata_path: "{(folder / "metadata.tsv").as_posix()}"')
    if images is not None:
        _sprite(images).save(log_dir / folder / "sprite.png")
        height, width = images.shape[1:3]
        entry += [
            "  sprite {",
            f'    image_path: "{(folder / "sprite.png").as_posix()}"',
            f"    single_image_dim: {width}",
            f"    single_image_dim: {height}",
            "  }",
        ]

    with (log_dir / CONFIG_NAME).open("a", encoding="utf-8") as config:
        config.write("embeddings {\n" + "\n".join(entry) + "\n}\n")


def _sprite(images: NDArray) -> PilImage.Image:
    """All of `images` `[N, H, W, C]` in one square sheet, row by row; the rest stays black."""
    count, height, width, channels = images.shape
    side = math.ceil(math.sqrt(count))
    sheet = np.zeros((side * height, side * width, channels), np.uint8)
    for i, image in enumerate(images):
        top, left = i // side * height, i % side * width
        sheet[top : top + height, left : left + width] = image
    return PilImage.fromarray(sheet.squeeze(-1) if channels == 1 else sheet)
