// SDP: not built yet.
