"""listen.py SPEECH.wav SECONDS - plays speech on the sink `microphone` and tells how much later it is heard on `speaker`.

Both sinks' monitors are recorded in the same way, so what recording costs cancels out: what counts is the time from when the
speech could be captured until it is played. It is taken in pieces of one second, each looked up in what was heard, the first
ten seconds left out, in which a call finds its delay; one JSON object: pieces, median, p95 in milliseconds, and the smallest correlation of a piece with its place."""
import ctypes as C, json, pathlib, subprocess, sys, threading, time
import numpy as np

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from alignment import find

RATE, CHUNK = 48000, 240
simple = C.CDLL("libpulse-simple.so.0")
simple.pa_simple_new.restype = C.c_void_p


class Format(C.Structure):
    _fields_ = [("format", C.c_int), ("rate", C.c_uint32), ("channels", C.c_uint8)]


class Buffering(C.Structure):
    _fields_ = [(name, C.c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize")]


class Recording(threading.Thread):
    """What a source gives, and since when: the earliest start that any chunk speaks for."""

    def __init__(self, source):
        super().__init__(daemon=True)
        error, any_value = C.c_int(), 0xFFFFFFFF
        self.stream = C.c_void_p(simple.pa_simple_new(
            None, b"listen", 2, source, b"listen", C.byref(Format(3, RATE, 1)), None,
            C.byref(Buffering(any_value, any_value, any_value, any_value, 2 * CHUNK)), C.byref(error)))
        assert self.stream, f"{source}: error {error.value}"
        self.chunks, self.starts, self.is_over = [], [], False

    def run(self):
        buffer, error = C.create_string_buffer(2 * CHUNK), C.c_int()
        while not self.is_over:
            assert simple.pa_simple_read(self.stream, buffer, 2 * CHUNK, C.byref(error)) == 0
            self.chunks.append(buffer.raw)
            self.starts.append(time.monotonic() - CHUNK * len(self.chunks) / RATE)

    def samples(self):
        return np.frombuffer(b"".join(self.chunks), "<i2").astype(np.float32)


def main(speech, seconds):
    mouth, ear = Recording(b"microphone.monitor"), Recording(b"speaker.monitor")
    for recording in (mouth, ear):
        recording.start()
    player = subprocess.Popen(["paplay", "--device=microphone", "--latency-msec=20", speech])
    time.sleep(seconds)
    player.kill()
    player.wait()
    for recording in (mouth, ear):
        recording.is_over = True
        recording.join()
    said, heard = mouth.samples(), ear.samples()
    lead = min(mouth.starts) - min(ear.starts)
    delays, likenesses = [], []
    for second in range(min(10, int(seconds) // 3), int(seconds) - 2):
        part = said[second * RATE:(second + 1) * RATE]
        if np.sqrt(np.mean(part ** 2)) < 100:
            continue
        start = int((second + lead) * RATE)
        at, likeness = find(part, heard[max(0, start):start + 2 * RATE])
        likenesses.append(likeness)
        if likeness > .5:
            delays.append(1000 * (at - min(0, start)) / RATE)
    print(json.dumps(dict(
        pieces=len(delays), median=float(np.median(delays)) if delays else None,
        p95=float(np.percentile(delays, 95)) if delays else None, correlation=min(likenesses, default=0))))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
