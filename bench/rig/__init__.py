"""What the measurements are made with: callers, a far end, and the statistics.

The callers share no code with the gateway, so that they are a witness of their own.
"""
