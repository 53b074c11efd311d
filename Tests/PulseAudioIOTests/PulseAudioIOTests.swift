// Tests of PulseAudioIO: not built yet.
