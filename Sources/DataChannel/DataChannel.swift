// DataChannel: not built yet.
