// Tests of Playout: not built yet.
