// Tests of HTTPClient: not built yet.
