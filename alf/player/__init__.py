"""Playing trained policies: episodes -> frames and panels -> window, mp4, gif, png."""
