// Tests of SDP: not built yet.
