// RTP: not built yet.
