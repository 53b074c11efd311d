// Playout: not built yet.
