"""speech.py FOLDER [VOICE] - what is sent: speaker.wav, read by one voice for as long as a quality run takes, and 32 voices
of 40 s that repeat for the cost; each as Opus packets, too. VOICE is espeak-ng's (en-us+m1 unless given; try de+f2, fr+m3):
nothing in the receiver may be tuned to one speaker."""
import os, random, subprocess, sys, wave
import numpy as np
from scipy.signal import resample_poly
import opus

SUBJECTS = "the old captain,a young doctor,every second child,our neighbour,the tired driver,nobody here,a small dog".split(",")
VERBS = "carried,forgot,painted,described,repaired,opened,followed".split(",")
OBJECTS = "the yellow boat,seven heavy boxes,a letter from home,the garden gate,his first bicycle,the evening train".split(",")
ENDINGS = "before breakfast,in the pouring rain,without a word,near the harbour,for the third time,with great care".split(",")
CROWD = [f"en-{accent}+{kind}" for kind in ("m1", "f1", "m2", "f2", "m3", "f3", "m4", "f4")
         for accent in ("us", "gb", "gb-scotland", "gb-x-rp")]
SECONDS, CROWD_SECONDS = 100, 40


def speak(voice, seconds, seed):
    """Speech at -26 dBov, int16."""
    choose, parts, count = random.Random(seed), [], 0
    while count < seconds * opus.RATE:
        text = ". ".join(" ".join(choose.choice(words) for words in (SUBJECTS, VERBS, OBJECTS, ENDINGS)) for _ in range(8))
        spoken = subprocess.run(
            ["espeak-ng", "-v", voice, "-s", str(choose.randrange(145, 190)), "--stdout", text], check=True, capture_output=True).stdout
        # What is written to a pipe says nothing of its length.
        rate, samples = int.from_bytes(spoken[24:28], "little"), np.frombuffer(spoken[44:], "<i2").astype(float)
        parts.append(resample_poly(samples, opus.RATE // 50, rate // 50))
        count += len(parts[-1])
    speech = np.concatenate(parts)[:seconds * opus.RATE]
    speech *= 32768 * 10 ** (-26 / 20) / np.sqrt(np.mean(speech ** 2))
    return np.clip(speech, -32767, 32767).astype("<i2")


def write(samples, path):
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(opus.RATE)
        file.writeframes(samples.tobytes())


def main(folder, voice="en-us+m1"):
    os.makedirs(folder, exist_ok=True)
    speech = speak(voice, SECONDS, 0)
    write(speech, f"{folder}/speaker.wav")
    opus.save(opus.encode(speech), f"{folder}/speaker.opus-packets")
    for index, voice in enumerate(CROWD):
        opus.save(opus.encode(speak(voice, CROWD_SECONDS, index + 1)), f"{folder}/crowd-{index:02}.opus-packets")


if __name__ == "__main__":
    main(*sys.argv[1:])
