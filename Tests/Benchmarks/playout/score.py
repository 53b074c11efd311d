"""score.py FOLDER - what playout leaves of sound, beside what libopus alone makes of the same packets; a table.

For each NAME.sent.wav in FOLDER, NAME.libopus.wav and NAME.played.wav are compared with it (48 kHz, mono, 16 bits).

 pesq   PESQ-WB (PyPI pesq, 16 kHz): mean of the segments of SEGMENT seconds, each laid over what was sent where it fits
        best; what libopus reaches, what was played, and the difference in the segment where it is largest
"""
import os, sys
import numpy as np
from pesq import pesq
from scipy.io import wavfile
from scipy.signal import fftconvolve, resample_poly

RATE, SEGMENT, REACH = 16000, 5, 0.6


def read(path):
    rate, samples = wavfile.read(path)
    assert (rate, samples.ndim, samples.dtype) == (48000, 1, np.int16), f"{path}: not 48 kHz mono s16"
    return resample_poly(samples.astype(np.float64), 1, 3)


def scores(sent, heard):
    result = []
    for start in range(RATE * 2, len(sent) - RATE * (SEGMENT + 1), RATE * SEGMENT):
        reference = sent[start:start + RATE * SEGMENT]
        first = max(0, start - int(RATE * 0.05))
        around = heard[first:start + int(RATE * (SEGMENT + REACH))]
        fit = fftconvolve(around, reference[::-1], "valid")
        energy = np.sqrt(np.maximum(fftconvolve(around ** 2, np.ones(len(reference)), "valid"), 1))
        at = int(np.argmax(fit / energy))
        part = around[at:at + len(reference)]
        result.append(pesq(RATE, reference.astype(np.float32) / 32768, part.astype(np.float32) / 32768, "wb"))
    return np.array(result)


def main(folder):
    names = sorted(name[:-len(".sent.wav")] for name in os.listdir(folder) if name.endswith(".sent.wav"))
    print(f"{'':50} libopus  played  most below")
    for name in names:
        sent, libopus, played = (read(f"{folder}/{name}.{what}.wav") for what in ("sent", "libopus", "played"))
        best, real = scores(sent, libopus), scores(sent, played)
        count = min(len(best), len(real))
        print(f"{name:50} {best[:count].mean():7.3f} {real[:count].mean():7.3f} {(best[:count] - real[:count]).max():11.3f}",
              flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
