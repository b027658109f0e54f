"""Signals to the steps of the recipe and to the commands of users, at file events and at random times."""

import random
import signal
from collections.abc import Iterator

from faults.forks import Moment
from faults.kitchen import Kitchen, Step

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def moments(kitchen: Kitchen, count: int, seed: int) -> Iterator[tuple[Step, Moment]]:
    """`count` moments, of each step in turn: two thirds at its file events, one third at random times."""
    rng = random.Random(seed)
    events = {step.name: rng.sample(range(n := kitchen.events[step.name]), n) for step in kitchen.steps}
    for number in range(count):
        step, turn = kitchen.steps[number % len(kitchen.steps)], number // len(kitchen.steps)
        sent, places = rng.choice(SIGNALS), events[step.name]
        if turn % 3 == 2 or not places:
            yield step, Moment(seconds=rng.uniform(0, kitchen.seconds[step.name]), sent=sent)
        else:
            yield step, Moment(event=places[turn % len(places)], sent=sent)
