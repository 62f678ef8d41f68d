"""Summaries for TensorBoard, and panels that show what a policy thinks (`alf.summary.render`)."""

from typing import TYPE_CHECKING

from alf.summary.context import isolated, record_if
from alf.summary.summary_ops import (
    collect_scalars,
    create_summary_writer,
    disable_summary,
    embedding,
    enable_summary,
    enter_summary_scope,
    get_global_counter,
    histogram,
    images,
    increment_global_counter,
    is_summary_enabled,
    push_summary_writer,
    reset_global_counter,
    scalar,
    scalar_sink,
    scope,
    scope_name,
    set_default_writer,
    set_global_counter,
    should_record_summaries,
    text,
    video,
)

if TYPE_CHECKING:
    from alf.summary import render

__all__ = [
    "collect_scalars",
    "create_summary_writer",
    "disable_summary",
    "embedding",
    "enable_summary",
    "enter_summary_scope",
    "get_global_counter",
    "histogram",
    "images",
    "increment_global_counter",
    "is_summary_enabled",
    "isolated",
    "push_summary_writer",
    "record_if",
    "render",
    "reset_global_counter",
    "scalar",
    "scalar_sink",
    "scope",
    "scope_name",
    "set_default_writer",
    "set_global_counter",
    "should_record_summaries",
    "text",
    "video",
]


def __getattr__(name: str) -> object:
    """Load `render` on first use: training need not wait for the drawing libraries."""
    if name == "render":
        import importlib

        return importlib.import_module("alf.summary.render")
    raise AttributeError(f"module 'alf.summary' has no attribute '{name}'")
