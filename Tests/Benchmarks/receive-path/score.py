"""How good a recording of the speaker through one network is, and how late.

The speech is looked up in the recording piece by piece, where it fits best. PESQ-WB (PyPI pesq, 16 kHz) is the mean over pieces
of ten seconds, the delay is taken in pieces of one second. It begins when a packet's first sample leaves the publisher, which
sends it at once: 20 ms of packetisation, and what capturing and playing cost, come on top for everyone. It holds 6.5 ms in
which the codec looks ahead.

When is a sample out? A receiver hands out `pull` samples at a time. `delay` counts them as out when they are handed out, as if
all of them were heard at once. `played` counts as a sound card does, which plays the last of them when it asks for the next:
`pull` samples later (10 ms in Chromium, 20 ms here). The time of a sample is the earliest at which any of the four seconds
around it would have had it, so that a thread that was woken late, or a message, does not count."""
import json, pathlib, sys, warnings, wave
import numpy as np
from pesq import pesq
from scipy.signal import resample_poly
import opus

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from alignment import find

warnings.filterwarnings("ignore")
FIRST, LAST = 15, 85  # the seconds of the speech that are judged


def read(path):
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)


def quality(reference, heard):
    narrow = [resample_poly(sound, 1, 3).astype(np.float32) / 32768 for sound in (reference, heard)]
    try:
        return pesq(16000, *narrow, "wb")
    except Exception:  # pesq finds no speech in what it is given
        return 1.0


class Clock:
    """Which sample leaves when, from the marks that the receiver made."""

    def __init__(self, marks):
        times, counts = np.array(marks).T
        self.positions = counts / opus.RATE
        self.offsets = times - self.positions

    def sample(self, time):
        """The sample that is out at `time`."""
        position = time - self.offsets.min()
        near = self.offsets[np.abs(self.positions - position) < 4]
        return int((time - (near.min() if len(near) else self.offsets.min())) * opus.RATE)


def score(speech, path):
    heard = read(path)
    with open(path + ".json") as file:
        report = json.load(file)
    clock, rate = Clock(report["marks"]), opus.RATE
    qualities, delays = [], []
    for second in range(FIRST, LAST, 10):
        part, due = speech[second * rate:(second + 10) * rate], clock.sample(report["t0"] + second)
        low = max(0, due - rate // 5)
        at, _ = find(part, heard[low:due + len(part) + 3 * rate // 2])
        qualities.append(quality(part, heard[low + at:low + at + len(part)]))
    for second in range(FIRST, LAST):
        part, due = speech[second * rate:(second + 1) * rate], clock.sample(report["t0"] + second)
        low = max(0, due - rate // 10)
        at, likeness = find(part, heard[low:due + len(part) + rate // 2])
        if likeness > .5:
            delays.append((second, 1000 * (low + at - due) / rate))
    values = [delay for _, delay in delays] or [float("nan")]
    pull = 1000 * report["pull"] / rate
    return dict(
        pesq=float(np.mean(qualities)), delay=float(np.mean(values)), delay95=float(np.percentile(values, 95)),
        played=float(np.mean(values)) + pull, pieces=delays, figures=figures(report))


def figures(report):
    """Over time: the delay that was aimed at, in ms, and the share of sound that was made up, in percent of each interval."""
    stats, t0 = report["stats"], report["t0"]
    rows = []
    for (_, before), (time, after) in zip(stats, stats[1:]):
        def grown(name):
            return after.get(name, 0) - before.get(name, 0)
        emitted, received = grown("jitterBufferEmittedCount"), grown("totalSamplesReceived")
        if emitted > 0 and received > 0:
            rows.append((time - t0, 1000 * grown("jitterBufferTargetDelay") / emitted, 100 * grown("concealedSamples") / received))
    return rows


def ceiling(speech, packets, plan):
    """PESQ of what libopus makes of the packets that are not lost, however late they come."""
    heard = opus.decode([packet if delay is not None else None for packet, delay in zip(packets, plan)]).astype(np.float32)
    rate, qualities = opus.RATE, []
    for second in range(FIRST, LAST, 10):
        part = speech[second * rate:(second + 10) * rate]
        at, _ = find(part, heard[second * rate:(second + 10) * rate + rate // 10])
        qualities.append(quality(part, heard[second * rate + at:second * rate + at + len(part)]))
    return float(np.mean(qualities))
