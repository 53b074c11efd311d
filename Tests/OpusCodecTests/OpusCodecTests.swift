// Tests of OpusCodec: not built yet.
