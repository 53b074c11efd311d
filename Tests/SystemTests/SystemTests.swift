// Tests of System: not built yet.
