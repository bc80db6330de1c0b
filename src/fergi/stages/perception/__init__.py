"""Stage 1: video → faces → action-unit series."""
