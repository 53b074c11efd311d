// Tests of AudioFiles: not built yet.
