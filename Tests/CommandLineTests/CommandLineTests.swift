// Tests of CommandLine: not built yet.
