"""run.py quick|full DATA OUT RECEIVER FLOOR - all runs, one after the other, then OUT/report.md, OUT/results.json and a plot for
each network. See README.md."""
import json, math, os, re, subprocess, sys, time, urllib.request
from contextlib import contextmanager
from os.path import dirname
from statistics import median
import opus, plot, score
from network import NETWORKS, STEPPED

HERE = dirname(os.path.abspath(__file__))
MODE, DATA, OUT, RECEIVER, FLOOR = sys.argv[1:]
RUNS, COUNTED = (1, 15) if MODE == "quick" else (3, 30)
COUNTS = [32, 8, 1]
TICK = os.sysconf("SC_CLK_TCK")
# Before everything else on the machine, if we may: what else it does is not to be measured.
FIRST = ["chrt", "--rr", "1"] if subprocess.run(["chrt", "--rr", "1", "true"], capture_output=True).returncode == 0 else []
CORES = sorted(os.sched_getaffinity(0))
port = 9100


def receiver(name, count, kind, prefix, seconds):
    """The command of a receiver; `talkbridge, patient` is bench-receiver with --patient."""
    words = [str(port), str(count), kind, prefix, str(seconds)]
    if name == "chromium":
        return [sys.executable, f"{HERE}/chromium.py", *words]
    manner = name.partition(", ")[2]
    return [RECEIVER, *words, *([f"--{manner}"] if manner else [])]


def prefix(*words):
    return f"{OUT}/{re.sub('[^a-z0-9]+', '-', ' '.join(map(str, words)).replace('%', 'percent'))}"


@contextmanager
def publisher(kind, count, cores=None):
    global port
    port += 1
    pinned = ["taskset", "-c", str(cores)] if cores is not None else []
    process = subprocess.Popen([*FIRST, *pinned, sys.executable, f"{HERE}/publisher.py", str(port), kind, str(count), DATA])
    try:
        for _ in range(300):
            try:
                # A receiver joins a call that has begun.
                time.sleep(max(0, info()["t0"] + .5 - time.time()))
                break
            except OSError:
                time.sleep(.1)
        yield
    finally:
        process.kill()
        process.wait()


def info():
    return json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/info"))


def tree(root):
    """A process and all that descend from it."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
        except OSError:
            pass
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def cpu(process):
    """User and system seconds so far."""
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK
    except OSError:
        return 0


def memory(process):
    """Proportional and private memory, in MB; the second does not depend on what else runs on the machine."""
    sums = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0, "Pss_Anon": 0}
    try:
        with open(f"/proc/{process}/smaps_rollup") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in sums:
                    sums[name] += int(value.split()[0]) / 1024
    except OSError:
        pass
    return sums["Pss"], sums["Private_Clean"] + sums["Private_Dirty"]


def cost(name, count):
    """CPU seconds for each minute of a stream, memory in MB, and how soon there is sound."""
    path = prefix("cost", name, count)
    with publisher("crowd", count):
        warm = 5 + count / 4
        command = [*FIRST, *receiver(name, count, "mix", path, warm + COUNTED + 3)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        root = int(process.stdout.readline()) if name == "chromium" else process.pid
        time.sleep(warm)
        before, sent = {each: cpu(each) for each in tree(root)}, sum(info()["sent"])
        time.sleep(COUNTED)
        after = {each: cpu(each) for each in tree(root)}
        minutes = (sum(info()["sent"]) - sent) / 3000
        sizes = [memory(each) for each in after]
        process.wait()
    with open(f"{path}_mix.wav.json") as file:
        report = json.load(file)
    waits = [1000 * (first - asked) for first, asked in zip(report["first"], report["asked"]) if first and asked]
    return dict(
        cpu=sum(after[each] - before.get(each, 0) for each in after) / minutes, pss=sum(each[0] for each in sizes),
        private=sum(each[1] for each in sizes), offer=median(waits), offer_worst=max(waits),
        start=1000 * (min(first for first in report["first"] if first) - report["t_start"]))


def floor(count):
    words = [str(count), str(COUNTED), DATA, "21000"]
    taking = subprocess.Popen([*FIRST, FLOOR, "receive", *words, prefix("floor") + ".wav"], stdout=subprocess.PIPE, text=True)
    time.sleep(.5)
    subprocess.run([*FIRST, FLOOR, "send", *words], check=True)
    return json.loads(taking.communicate()[0])


def qualities(name, speech):
    """Each network's score, all of them in one run."""
    path = prefix("quality", name)
    with publisher("networks", len(NETWORKS)):
        command = [*receiver(name, len(NETWORKS), "each", path, score.LAST + 8), f"--stepped={STEPPED}"]
        subprocess.run([*FIRST, *command], check=True, stdout=subprocess.DEVNULL)
    return {network.name: score.score(speech, f"{path}_{index}.wav") for index, network in enumerate(NETWORKS)}


def overload(count=32):
    """All of it, the publisher too, on the one core that something else leaves: how late the latest sound is, and who is lost."""
    path = prefix("overload")
    mine, taken = str(CORES[0]), str(CORES[-1])
    rival = subprocess.Popen(["taskset", "-c", taken, sys.executable, "-c", "while True: pass"])
    try:
        with publisher("crowd", count, mine):
            subprocess.run(["taskset", "-c", mine, *receiver("talkbridge", count, "each", path, 45)], check=True)
    finally:
        rival.kill()
        rival.wait()
    latest, made_up, alive = 0, 0, 0
    for index in range(count):
        with open(f"{path}_{index}.wav.json") as file:
            report = json.load(file)
        since = report["t_start"] + 15
        # How much later than the pull that was least late another was: so much later is it heard.
        offsets = [at - samples / opus.RATE for at, samples in report["marks"] if at > since]
        stats = [figures for at, figures in report["stats"] if at > since]
        waits = [1000 * (after["jitterBufferDelay"] - before["jitterBufferDelay"]) /
                 (after["jitterBufferEmittedCount"] - before["jitterBufferEmittedCount"])
                 for before, after in zip(stats, stats[1:])
                 if after["jitterBufferEmittedCount"] > before["jitterBufferEmittedCount"]]
        latest = max(latest, max(waits, default=0) + 1000 * (max(offsets) - min(offsets)))
        first, last = stats[0], stats[-1]
        made_up = max(made_up, 100 * (last["concealedSamples"] - first["concealedSamples"]) /
                      (last["totalSamplesReceived"] - first["totalSamplesReceived"]))
        expected = (report["stats"][-1][0] - since) * 50
        alive += last["packetsReceived"] - first["packetsReceived"] > .9 * expected
    return dict(latest=latest, concealed=made_up, alive=alive, streams=count)


def middle(results):
    """The median of each figure over several runs."""
    return {name: median(result[name] for result in results)
            for name, value in results[0].items() if isinstance(value, (int, float))}


MARKS = {  # network: (PESQ may lie below the ceiling by, ms at most); None: what Chromium has in the same run
    "clean": (.03, 35), "jitter 30 ms": (.03, 60), "jitter 80 ms": (.03, 105),
    "5 % + jitter 30 ms": (.08, None), "bursts 5 % + jitter 80 ms": (.06, None),
    "clean, delay stepped": (None, math.inf),
}


def verdict(network, ours, theirs, best):
    below, at_most = MARKS.get(network, (None, None))
    good = ours["pesq"] >= (theirs["pesq"] if below is None else best - below)
    return "yes" if good and ours["delay"] <= (at_most or theirs["delay"]) else "NO"


def main():
    os.makedirs(OUT, exist_ok=True)
    speech, packets = score.read(f"{DATA}/speaker.wav"), opus.load(f"{DATA}/speaker.opus-packets")
    plans = {network.name: network.plan(len(packets)) for network in NETWORKS}
    ceilings = {name: score.ceiling(speech, packets, plan) for name, plan in plans.items()}
    sound, costs, floors, overloads = {}, {}, {}, []
    names = ["talkbridge", "talkbridge, patient", "chromium"]
    for turn in range(RUNS):
        for name in names:
            print(f"run {turn + 1} of {RUNS}: quality, {name}", file=sys.stderr, flush=True)
            sound.setdefault(name, []).append(qualities(name, speech))
        for count in COUNTS:
            # The floor before and after, for a machine is not as fast at one time as at another.
            for name in ["talkbridge", "talkbridge, record", "chromium"]:
                print(f"run {turn + 1} of {RUNS}: cost, {name}, {count} streams", file=sys.stderr, flush=True)
                floors.setdefault(count, []).append(floor(count)["cpu"])
                costs.setdefault((name, count), []).append(cost(name, count))
        print(f"run {turn + 1} of {RUNS}: overload", file=sys.stderr, flush=True)
        overloads.append(overload())
    for network in NETWORKS:
        plot.plot(prefix(network.name) + ".svg", network, plans[network.name],
                  {name: sound[name][0][network.name] for name in names})
    with open(f"{OUT}/results.json", "w") as file:
        json.dump(dict(ceilings=ceilings, sound=sound, overloads=overloads, floors=floors,
                       costs={f"{name}, {count}": runs for (name, count), runs in costs.items()}), file)
    report(ceilings, {name: {network.name: middle([run[network.name] for run in runs]) for network in NETWORKS}
                      for name, runs in sound.items()},
           {key: middle(runs) for key, runs in costs.items()}, {count: median(runs) for count, runs in floors.items()},
           middle(overloads))


def report(ceilings, sound, costs, floors, overload):
    lines = [f"libopus: {opus.VERSION}. Runs: {RUNS}, medians. Load of the machine at the end: {os.getloadavg()[0]:.1f}.", "",
             "PESQ-WB at the mean delay in ms (95th percentile; as a sound card plays it)", "",
             "| network | ceiling | " + " | ".join(sound) + " | mark met |", "|---|---|" + "---|" * (len(sound) + 1)]
    for network in ceilings:
        cells = [f"{row['pesq']:.3f} at {row['delay']:.0f} ({row['delay95']:.0f}; {row['played']:.0f})"
                 for row in (rows[network] for rows in sound.values())]
        mark = verdict(network, sound["talkbridge"][network], sound["chromium"][network], ceilings[network])
        lines.append(f"| {network} | {ceilings[network]:.3f} | {' | '.join(cells)} | {mark} |")
    lines += ["", "CPU seconds for a minute of a stream (times the floor); MB of memory, proportional / private; ms from the offer "
              "to sound, median / worst stream; ms from the start of the process to sound", "",
              "| streams | floor | talkbridge | talkbridge, record | chromium |", "|---|---|---|---|---|"]
    for count in COUNTS:
        cells = []
        for name in ["talkbridge", "talkbridge, record", "chromium"]:
            row = costs[name, count]
            cells.append(f"{row['cpu']:.3f} ({row['cpu'] / floors[count]:.2f}); {row['pss']:.0f} / {row['private']:.0f}; "
                         f"{row['offer']:.0f} / {row['offer_worst']:.0f}; {row['start']:.0f}")
        lines.append(f"| {count} | {floors[count]:.3f} | {' | '.join(cells)} |")
    lines += ["", f"One core for all, {overload['streams']:.0f} streams: {overload['alive']:.0f} alive, the latest sound "
              f"{overload['latest']:.0f} ms after its packet, at most {overload['concealed']:.1f} % of a stream made up."]
    text = "\n".join(lines) + "\n"
    with open(f"{OUT}/report.md", "w") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main()
