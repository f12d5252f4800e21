"""Sound and pictures as plain values: resampling, voice activity, levels."""
