"""Recordings as one HTML file: frames, panels, charts and episodes in step, in any browser."""
