// Tests of DataChannel: not built yet.
