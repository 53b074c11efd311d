// Gateway: not built yet.
