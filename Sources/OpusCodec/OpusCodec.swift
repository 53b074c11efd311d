// OpusCodec: not built yet.
