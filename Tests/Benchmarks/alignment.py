"""Where one sound is in another."""
import numpy as np
from scipy.signal import fftconvolve, resample_poly


def find(part, whole):
    """Where in `whole` the part fits best, and its normalised correlation there: at 8 kHz, then to the sample."""
    if len(whole) < len(part) + 12:
        return 0, 0.0
    a, b = resample_poly(part, 1, 6), resample_poly(whole, 1, 6)
    energy = np.sqrt(np.maximum(fftconvolve(b * b, np.ones(len(a)), "valid"), 1) * ((a * a).sum() + 1))
    fit = fftconvolve(b, a[::-1], "valid") / energy
    rough = int(np.argmax(fit))
    places = range(max(0, 6 * rough - 6), min(len(whole) - len(part), 6 * rough + 6) + 1)
    return max(places, key=lambda at: float(part @ whole[at:at + len(part)])), float(fit[rough])
