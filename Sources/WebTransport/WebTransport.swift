// WebTransport: not built yet.
