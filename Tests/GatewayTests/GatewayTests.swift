// Tests of Gateway: not built yet.
