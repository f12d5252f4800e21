"""WebRTC: what of an offer is taken, and how it is answered."""
