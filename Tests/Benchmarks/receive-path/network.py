"""The networks that are played to every receiver, and what each does to each packet: always the same."""
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """Loses `loss` of the packets, in bursts of `burst` on average (1: independently), and delays each by up to `jitter` ms."""
    name: str
    loss: float = 0
    burst: float = 1
    jitter: float = 0
    # Receivers are asked to be 20 and 120 ms late by turns, 2 s each.
    stepped: bool = False

    def plan(self, count):
        """For each packet the extra delay in seconds, or None where it is lost."""
        losses, delays = random.Random(f"loss {self.loss} {self.burst}"), random.Random(f"jitter {self.jitter}")
        plan, is_bad = [], False
        for _ in range(count):
            if self.burst > 1:
                # Gilbert: a bad state that loses all and lasts `burst` packets on average, and a good one that loses none.
                leaves_good = self.loss / (self.burst * (1 - self.loss))
                is_bad = losses.random() >= 1 / self.burst if is_bad else losses.random() < leaves_good
            else:
                is_bad = losses.random() < self.loss
            delay = delays.random() * self.jitter / 1000
            plan.append(None if is_bad else delay)
        return plan


NETWORKS = [
    Network("clean"),
    Network("random 2 %", loss=.02), Network("random 5 %", loss=.05), Network("random 10 %", loss=.1),
    Network("bursts 2 %", loss=.02, burst=4), Network("bursts 5 %", loss=.05, burst=4),
    Network("bursts 10 %", loss=.1, burst=4),
    Network("jitter 30 ms", jitter=30), Network("jitter 80 ms", jitter=80),
    Network("5 % + jitter 30 ms", loss=.05, jitter=30), Network("bursts 5 % + jitter 80 ms", loss=.05, burst=4, jitter=80),
    Network("clean, delay stepped", stepped=True),
]
STEPPED = [network.stepped for network in NETWORKS].index(True)
