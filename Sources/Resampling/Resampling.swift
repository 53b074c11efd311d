// Resampling: not built yet.
