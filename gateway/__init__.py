"""The media plane: RTP packets on one side, a live session on the other."""

__version__ = "0.1.0"
