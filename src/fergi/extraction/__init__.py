"""Videos → feature files: which clips there are, what one worker does, and who tells whom."""
