"""Event files."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from alf.summary.event_writer import EventWriter


def test_many_files_of_one_second_are_read_in_the_order_they_were_made(tmp_path):
    """TensorBoard skips a file whose name sorts before one that it has read."""
    for step in range(12):
        writer = EventWriter(tmp_path)
        writer.add_scalar("loss", float(step), step)
        writer.close()

    seen = EventAccumulator(str(tmp_path)).Reload()

    assert [event.step for event in seen.Scalars("loss")] == list(range(12))
