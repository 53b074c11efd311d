"""score.py SPEECH.wav LIBOPUS.wav RECORDING.wav - how good a recording is; one JSON object.

SPEECH is what was sent, LIBOPUS the same after nothing but the encoder and a decoder, RECORDING what the gateway wrote:
48 kHz, mono. The recording is cut into segments of ten seconds, its first second left out, and each is laid over LIBOPUS
where it fits best.

 seconds          length of the recording
 segments         how many segments were compared
 pesqLibopus      PESQ-WB of LIBOPUS against SPEECH, mean of the segments (PyPI pesq, 16 kHz)
 pesqRecording    the same of the recording
 pesqWorstLoss    how much worse the recording is than LIBOPUS, in the segment where it is most
 driftMilliseconds  the largest difference between the offsets of two segments: how far the recording's clock and the
                  sender's, which is wall time, come apart
 speechBlocks     20 ms blocks in which LIBOPUS has speech (above -50 dBFS)
 gapBlocks        those of them in which the recording is 20 dB below LIBOPUS
 correlation      the smallest normalised correlation of a segment with LIBOPUS
"""
import json, sys
import numpy as np
from pesq import pesq
from scipy.io import wavfile
from scipy.signal import fftconvolve, resample_poly

RATE, BLOCK, SEGMENT = 48000, 960, 480000


def read(path):
    rate, samples = wavfile.read(path)
    assert (rate, samples.ndim, samples.dtype) == (RATE, 1, np.int16), f"{path}: not 48 kHz mono s16"
    return samples.astype(np.float64)


def offset(part, whole, low, high):
    """Where in whole[low:high] the part fits best, to the sample, and how well (1: but for its level, the same)."""
    low, high = max(0, low), min(len(whole), high)
    if high - low < len(part):
        return None, 0.0
    step = 6
    a, b = resample_poly(part, 1, step), resample_poly(whole[low:high], 1, step)
    energy = np.sqrt(np.maximum(fftconvolve(b * b, np.ones(len(a)), "valid"), 1) * ((a * a).sum() + 1))
    rough = low + step * int(np.argmax(fftconvolve(b, a[::-1], "valid") / energy))

    def fit(at):
        other = whole[at:at + len(part)]
        return float(part @ other / np.sqrt((part @ part + 1) * (other @ other + 1)))
    best = max(range(max(0, rough - step), min(len(whole) - len(part), rough + step) + 1), key=fit, default=None)
    return best, 0.0 if best is None else fit(best)


def quality(reference, heard):
    narrow = [resample_poly(x, 1, 3).astype(np.float32) / 32768 for x in (reference, heard)]
    return pesq(16000, *narrow, "wb")


def main(speech, libopus, recording):
    start, lead = RATE, None
    offsets, correlations, sent, got, gaps, spoken = [], [], [], [], 0, 0
    while start + SEGMENT <= len(recording):
        part = recording[start:start + SEGMENT]
        low, high = (0, len(libopus)) if lead is None else (start + lead - RATE // 2, start + lead + SEGMENT + RATE // 2)
        at, correlation = offset(part, libopus, low, high)
        if at is None:
            break
        lead = at - start
        offsets.append(lead)
        correlations.append(correlation)
        reference, truth = libopus[at:at + SEGMENT], speech[at:at + SEGMENT]
        sent.append(quality(truth, reference))
        got.append(quality(truth, part))
        levels = [np.sqrt(np.mean(x.reshape(-1, BLOCK) ** 2, axis=1)) for x in (reference, part)]
        active = levels[0] > 32768 * 10 ** (-50 / 20)
        spoken += int(active.sum())
        gaps += int((active & (levels[1] < levels[0] / 10)).sum())
        start += SEGMENT
    assert offsets, "the recording is too short to be compared: it needs eleven seconds"
    print(json.dumps(dict(
        seconds=len(recording) / RATE, segments=len(offsets), pesqLibopus=float(np.mean(sent)),
        pesqRecording=float(np.mean(got)), pesqWorstLoss=float(np.max(np.subtract(sent, got))),
        driftMilliseconds=(max(offsets) - min(offsets)) * 1000 / RATE, speechBlocks=spoken, gapBlocks=gaps,
        correlation=min(correlations))))


if __name__ == "__main__":
    main(*[read(path) for path in sys.argv[1:4]])
