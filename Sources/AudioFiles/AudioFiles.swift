// AudioFiles: not built yet.
