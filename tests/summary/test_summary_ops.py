"""Summaries: scopes, conditions, writers, and what lands in the event file."""

import math
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto import event_pb2 as _event_pb2

from alf import summary
from alf.errors import UsageError
from alf.summary.context import CONTEXT

event_pb2: Any = _event_pb2  # Its classes are made at run time.


@pytest.fixture(autouse=True)
def _isolated():
    with summary.isolated():
        yield


def events(writer):
    """All events in a writer's file, read by TensorBoard's own loader."""
    writer.flush()
    parsed = [
        event_pb2.Event.FromString(raw) for raw in RawEventFileLoader(str(writer.path)).Load()
    ]
    assert parsed[0].file_version == "brain.Event:2"
    return parsed[1:]


def values(writer):
    return [value for event in events(writer) for value in event.summary.value]


def test_scopes_nest_and_end():
    """A scope prefixes what is inside, and is gone afterwards."""
    assert summary.scope_name() == ""
    with summary.scope("A") as outer, summary.scope("b/c/") as inner:
        assert (outer, inner) == ("A/", "A/b/c/")
        assert summary.scope_name() == "A/b/c/"
    assert summary.scope_name() == ""


def test_scope_ends_with_an_exception():
    """An exception leaves no scope behind, and one scope object can be entered in itself."""
    scope = summary.scope("x")

    def fail():
        with scope, scope:
            assert summary.scope_name() == "x/x/"
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert summary.scope_name() == ""


@given(st.lists(st.text("ab/", max_size=4), max_size=6))
def test_scopes_are_the_joined_names(names):
    """Whatever the names, the prefix is their parts joined by slashes."""
    scopes = [summary.scope(name) for name in names]
    for scope in scopes:
        scope.__enter__()

    parts = [name.strip("/") for name in names if name.strip("/")]
    assert "".join(f"{part}/" for part in parts) == summary.scope_name()

    for scope in reversed(scopes):
        scope.__exit__(None, None, None)
    assert summary.scope_name() == ""


def test_nothing_is_recorded_without_a_target(tmp_path):
    """Without a writer and without a sink there is nothing to record."""
    assert not summary.should_record_summaries()
    writer = summary.create_summary_writer(tmp_path)
    summary.set_default_writer(writer)
    assert summary.should_record_summaries()
    summary.set_default_writer(None)
    assert not summary.should_record_summaries()
    with summary.collect_scalars():
        assert summary.should_record_summaries()


def test_data_are_not_read_unless_recorded():
    """A summary that is not written does not touch its data."""

    class Untouchable:
        def __getattribute__(self, name):
            raise AssertionError(f"{name} was read")

    for write in (summary.scalar, summary.histogram, summary.images, summary.video):
        write("x", Untouchable())
    summary.text("x", Untouchable())  # type: ignore[arg-type]
    summary.embedding("x", Untouchable())


def test_conditions_and_the_switch():
    """The innermost `record_if` decides, functions are asked on entry, and the switch beats all."""
    with summary.collect_scalars() as collected:
        with summary.record_if(lambda: False):
            summary.scalar("no", 1)
            with summary.record_if(True):
                summary.scalar("yes", 1)
            summary.scalar("no", 1)
        summary.disable_summary()
        summary.scalar("no", 1)
        assert not summary.is_summary_enabled()
        summary.enable_summary()
        summary.scalar("again", 1)

    assert ["yes", "again"] == list(collected)


def test_one_condition_within_itself():
    """A condition can be entered again, and decorate a function that calls itself."""
    never = summary.record_if(False)

    @never
    def deeper(levels: int) -> bool:
        return summary.should_record_summaries() or (levels > 0 and deeper(levels - 1))

    with summary.collect_scalars():
        with never:
            assert not deeper(3)
            with summary.record_if(True), never:
                assert not summary.should_record_summaries()
            assert not summary.should_record_summaries()
        assert summary.should_record_summaries()


def test_conditions_survive_an_exception():
    """After an exception all is as before."""
    with pytest.raises(ZeroDivisionError), summary.collect_scalars(), summary.record_if(False):
        _ = 1 / 0

    assert CONTEXT.conditions == [True]
    assert not summary.should_record_summaries()


def test_isolated_restores_everything():
    """`isolated` starts afresh and gives back what was there."""

    def fail():
        with summary.isolated():
            assert (summary.get_global_counter(), summary.scope_name()) == (0, "")
            summary.increment_global_counter()
            CONTEXT.scopes.append("left over/")
            CONTEXT.rendering = True
            raise KeyError

    summary.set_global_counter(7)
    with summary.scope("outer"):
        with pytest.raises(KeyError):
            fail()
        assert (summary.get_global_counter(), summary.scope_name()) == (7, "outer/")
    assert not CONTEXT.rendering


def test_global_counter():
    """The counter is set, incremented, reset, and is the step of a summary that names none."""
    steps = []
    with summary.scalar_sink(lambda tag, value, step: steps.append(step)):
        summary.set_global_counter(41)
        summary.increment_global_counter()
        summary.scalar("a", 0)
        summary.scalar("a", 0, step=3)
        summary.reset_global_counter()
        summary.scalar("a", 0)

    assert [42, 3, 0] == steps


@pytest.mark.parametrize(
    "data",
    [
        1.5,
        np.float32(1.5),
        np.array([[1.5]]),
        torch.tensor(1.5),
        torch.tensor([1.5], requires_grad=True),
        torch.tensor(1.5, dtype=torch.bfloat16),
    ],
)
def test_scalar_takes_any_number(data):
    """One number in whatever form is written as that number."""
    with summary.collect_scalars() as collected, summary.scope("s"):
        summary.scalar("x", data)

    assert {"s/x": 1.5} == collected


def test_scalar_refuses_arrays():
    """An array is no scalar, and the message says what to do."""
    with summary.collect_scalars(), pytest.raises(UsageError, match=r"'loss'.*\[3\].*mean"):
        summary.scalar("loss", torch.zeros(3))


def test_scalars_in_the_event_file(tmp_path):
    """Tag, value, step and time of a scalar come back from the file; NaN too."""
    writer = summary.create_summary_writer(tmp_path / "deep" / "folder")
    with summary.push_summary_writer(writer), summary.scope("Train"):
        summary.scalar("loss", 0.25, step=12, walltime=1000.5)
        summary.scalar("bad", math.nan, step=13)

    first, second = events(writer)
    assert (first.step, first.wall_time) == (12, 1000.5)
    assert (first.summary.value[0].tag, first.summary.value[0].simple_value) == ("Train/loss", 0.25)
    assert math.isnan(second.summary.value[0].simple_value)


def test_innermost_writer_gets_the_summaries(tmp_path):
    """A pushed writer replaces the default one, and `None` silences."""
    default, pushed = (summary.create_summary_writer(tmp_path / x) for x in "ab")
    summary.set_default_writer(default)
    with summary.push_summary_writer(pushed):
        summary.scalar("in", 1)
        with summary.push_summary_writer(None):
            summary.scalar("none", 1)
    summary.scalar("out", 1)

    assert ["out"] == [v.tag for v in values(default)]
    assert ["in"] == [v.tag for v in values(pushed)]


def test_max_queue_bounds_what_waits(tmp_path):
    """After `max_queue` summaries they are on disk without a flush; before, they need not be."""
    writer = summary.create_summary_writer(tmp_path, flush_secs=1000, max_queue=3)
    size = writer.path.stat().st_size
    with summary.record_if(True):
        summary.set_default_writer(writer)
        summary.scalar("a", 1)
        summary.scalar("a", 1)
        assert writer.path.stat().st_size == size
        summary.scalar("a", 1)

    assert writer.path.stat().st_size > size


def test_what_was_written_survives_the_end_of_the_process(tmp_path):
    """A process that ends without a flush loses nothing."""
    code = (
        "import sys; from alf import summary\n"
        "w = summary.create_summary_writer(sys.argv[1], flush_secs=1e6, max_queue=10**6)\n"
        "summary.set_default_writer(w); summary.scalar('last', 5)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path)], check=True)

    (path,) = tmp_path.iterdir()
    raw = list(RawEventFileLoader(str(path)).Load())
    assert event_pb2.Event.FromString(raw[-1]).summary.value[0].tag == "last"


def test_histogram_counts(tmp_path):
    """Buckets, moments and range are those of the finite data."""
    writer = summary.create_summary_writer(tmp_path)
    with summary.push_summary_writer(writer):
        data = torch.tensor([[0.0, 1.0, 1.0], [4.0, math.nan, math.inf]], dtype=torch.bfloat16)
        summary.histogram("h", data, bins=4)
        summary.histogram("empty", [math.nan])
        summary.histogram("capped", [1.0, 2.0], bins=100, max_bins=5)

    h, capped = (value.histo for value in values(writer))
    # [0, 1): one, [1, 2): two, [2, 3): none, [3, 4]: one.
    assert [0, 1, 2, 0, 1] == list(h.bucket)
    assert [0, 1, 2, 3, 4] == list(h.bucket_limit)
    assert (h.min, h.max, h.num, h.sum, h.sum_squares) == (0, 4, 4, 6, 18)
    assert len(capped.bucket) == 6


def test_images_in_every_layout(tmp_path):
    """An image is the same in every layout, as floats or bytes, alone or in a batch."""
    import cv2

    writer = summary.create_summary_writer(tmp_path)
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10  # [H, W, C]
    with summary.push_summary_writer(writer):
        summary.images("hwc", rgb, dataformat="HWC")
        summary.images("nchw", torch.tensor(rgb.transpose(2, 0, 1)[None] / 255.0))
        summary.images("batch", rgb[None].repeat(2, axis=0), dataformat="NHWC")
        summary.images("grey", rgb[:, :, :1], dataformat="HWC")
        with pytest.raises(UsageError, match="one letter"):
            summary.images("bad", rgb, dataformat="NCHW")
        with pytest.raises(UsageError, match="Name the axes"):
            summary.images("bad", np.zeros((5, 2, 3)), dataformat="CHW")

    found = {v.tag: v.image for v in values(writer)}
    assert ["hwc", "nchw", "batch/0", "batch/1", "grey"] == list(found)
    for tag in ("hwc", "nchw", "batch/1"):
        encoded = np.frombuffer(found[tag].encoded_image_string, np.uint8)
        decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
        assert (found[tag].height, found[tag].width, found[tag].colorspace) == (2, 3, 3)
        np.testing.assert_array_equal(rgb, decoded[..., ::-1])


def test_video_text_and_embedding(tmp_path):
    """A video is a GIF with all frames, a text is a text, an embedding is a set of files."""
    import io

    from PIL import Image

    writer = summary.create_summary_writer(tmp_path)
    clip = torch.rand(2, 5, 3, 4, 6)  # [N, T, C, H, W]
    with summary.push_summary_writer(writer), summary.scope("s"):
        summary.video("clip", clip, fps=10)
        summary.text("note", "# title", step=4)
        summary.embedding("e", torch.eye(3), 2, ["a", "b\tc", "d"], torch.rand(3, 3, 2, 2))
        with pytest.raises(UsageError, match="N, T, C, H, W"):
            summary.video("clip", clip[0])
        with pytest.raises(UsageError, match="matrix"):
            summary.embedding("e", torch.eye(3), class_labels=[1])

    video, note = values(writer)
    gif = Image.open(io.BytesIO(video.image.encoded_image_string))
    assert (gif.size, getattr(gif, "n_frames", 1)) == ((12, 4), 5)
    assert [b"# title"] == list(note.tensor.string_val)
    assert note.metadata.plugin_data.plugin_name == "text"
    folder = tmp_path / "00002" / "s__e"
    np.testing.assert_array_equal(np.loadtxt(folder / "tensors.tsv"), np.eye(3))
    assert (folder / "metadata.tsv").read_text().splitlines() == ["a", "b c", "d"]
    with Image.open(folder / "sprite.png") as sprite:
        assert sprite.size == (4, 4)
    assert "00002/s__e/tensors.tsv" in (tmp_path / "projector_config.pbtxt").read_text()


def test_decorated_method_runs_in_its_scope():
    """`enter_summary_scope` enters the scope of the object's name."""

    class Part:
        _name = "part"

        @summary.enter_summary_scope
        def work(self, x):
            return summary.scope_name(), x

    assert Part().work(3) == ("part/", 3)


def test_inner_collection_sees_the_inner_scalars():
    """Nested collections each get what is recorded while they are open."""
    with summary.collect_scalars() as outer:
        summary.scalar("a", 1)
        with summary.collect_scalars() as inner:
            summary.scalar("b", 2)
        summary.scalar("b", 3)

    assert {"b": 2.0} == inner
    assert {"a": 1.0, "b": 3.0} == outer


def test_writer_has_no_thread(tmp_path):
    """Writing starts no thread, so that a fork after it is safe."""
    before = threading.active_count()
    summary.create_summary_writer(tmp_path)
    assert before == threading.active_count()
