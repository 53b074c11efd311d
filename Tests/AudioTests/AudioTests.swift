// Tests of Audio: not built yet.
