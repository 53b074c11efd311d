// Tests of WebTransport: not built yet.
