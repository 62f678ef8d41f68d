"""An mp4 in a browser: it plays there, and every frame of it is its step."""

import base64
from pathlib import Path
from typing import Any

import pytest

from alf.player.video import VideoWriter

BITS, BLOCK = 16, 16
LENGTHS = (7, 4)

PLAYER = """
async ([film, fps, count, bits, block]) => {
    const bytes = Uint8Array.from(atob(film), (c) => c.charCodeAt(0));
    const video = document.createElement("video");
    video.muted = true;
    video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
    await new Promise((done, fail) => {
        video.oncanplaythrough = done;
        video.onerror = () => fail(new Error(video.error.message));
    });
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    // "seeked" may come before the frame is there to be drawn; its own callback tells its time.
    let shown = -1;
    let arrived = () => {};
    const look = (_, frame) => {
        shown = Math.round(frame.mediaTime * fps);
        arrived();
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    document.body.append(video);
    const told = [];
    for (let i = 0; i < count; i++) {
        await new Promise((done, fail) => {
            setTimeout(() => fail(new Error(`frame ${i} was not shown`)), 30000);
            arrived = () => { if (shown === i && !video.seeking) done(); };
            video.onseeked = () => arrived();
            video.currentTime = (i + 0.5) / fps;
        });
        context.drawImage(video, 0, 0);
        const bit = (b, row) =>
            context.getImageData((b + 0.5) * block, (row + 0.5) * block, 1, 1).data[0] > 128;
        told.push([0, 1].map((row) => {
            let number = 0;
            for (let b = 0; b < bits; b++) number += bit(b, row) ? 2 ** b : 0;
            return number;
        }));
    }
    video.currentTime = 0;
    await video.play();
    await new Promise((done) => { video.onended = done; });
    return {
        told, seconds: video.duration, size: [video.videoWidth, video.videoHeight],
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
    };
}
"""


@pytest.fixture
def film(tmp_path, episode_moments, paint) -> Path:
    """Two episodes of 7 and 4 steps, 10 frames a second."""
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 10) as writer:
        for episode, length in enumerate(LENGTHS):
            for moment in episode_moments(length, episode=episode):
                writer.write(paint(moment.step, episode), moment)
    return path


def test_a_film_plays_in_a_browser(browser, film):
    """Its length is that of steps + 1 frames an episode; frame i is step i; it plays to its end."""
    expected = [[step, e] for e, length in enumerate(LENGTHS) for step in range(length + 1)]
    page: Any = browser.new_page()
    data = base64.b64encode(film.read_bytes()).decode()
    seen = page.evaluate(PLAYER, [data, 10, len(expected), BITS, BLOCK])
    page.close()

    assert seen["told"] == expected
    assert seen["seconds"] == pytest.approx(len(expected) / 10, abs=1e-3)
    assert seen["size"] == [258, 122]  # 257 x 121, made even
    assert seen["frames"] > 0
