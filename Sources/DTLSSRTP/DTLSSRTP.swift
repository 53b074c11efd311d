// DTLSSRTP: not built yet.
