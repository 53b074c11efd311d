// PulseAudioIO: not built yet.
