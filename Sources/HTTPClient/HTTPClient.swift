// HTTPClient: not built yet.
