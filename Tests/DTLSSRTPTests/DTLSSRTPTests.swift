// Tests of DTLSSRTP: not built yet.
