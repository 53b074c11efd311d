"""speech.py SECONDS FILE.wav - English speech of several espeak-ng voices, 48 kHz mono, -26 dBFS, always the same."""
import os, random, subprocess, sys, tempfile, wave
import numpy as np
from scipy.signal import resample_poly

RATE = 48000
SUBJECTS = "the old captain,a young doctor,every second child,our neighbour,the tired driver,nobody here,a small dog".split(",")
VERBS = "carried,forgot,painted,described,repaired,opened,followed".split(",")
OBJECTS = "the yellow boat,seven heavy boxes,a letter from home,the garden gate,his first bicycle,the evening train".split(",")
ENDINGS = "before breakfast,in the pouring rain,without a word,near the harbour,for the third time,with great care".split(",")
VOICES = ["en-us+m1", "en-gb+f2", "en-us+m3", "en-gb-scotland+f4", "en-us+f1", "en-gb+m2"]


def speak(text, voice, speed):
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", file.name, text], check=True)
        with wave.open(file.name) as spoken:
            samples = np.frombuffer(spoken.readframes(spoken.getnframes()), "<i2").astype(float)
            return resample_poly(samples, RATE, spoken.getframerate())


def main(seconds, path):
    generator, parts, count = random.Random(1), [], 0
    while count < seconds * RATE:
        words = [", ".join(" ".join(generator.choice(part) for part in (SUBJECTS, VERBS, OBJECTS, ENDINGS)) for _ in range(3))
                 for _ in range(3)]
        parts.append(speak(". ".join(words), generator.choice(VOICES), generator.randrange(140, 190)))
        count += len(parts[-1])
    speech = np.concatenate(parts)[:int(seconds * RATE)]
    speech *= 32768 * 10 ** (-26 / 20) / np.sqrt(np.mean(speech ** 2))
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.clip(speech, -32767, 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
