// Audio: not built yet.
