// Tests of RTP: not built yet.
