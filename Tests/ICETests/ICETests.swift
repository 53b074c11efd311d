// Tests of ICE: not built yet.
