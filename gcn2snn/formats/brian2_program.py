"""A one-spike network in Brian2, built from the .npz file of the same name beside this file.

    python NAME.py                     builds, runs, and compares every spike with the network it was exported from
    python NAME.py --results out.npz   also writes sign * phase of every neuron (0: silent) and the output's potentials

It needs Brian2 2.9 and NumPy 2.2 (pip install brian2 "numpy<2.3") and no compiler. One clock step is 1 ms of Brian2's time.

In each step, in this order: membranes grow by their base (Algorithm 1, line 2), the spikes of the step before arrive,
membranes compare with their thresholds. A neuron fires once. The two neurons of a signed pair, or the neurons of a group,
share a membrane: each is an event of its own (up1, up2, ..., down1, ...), of which at most one ever happens.

Exit code: 0 if no spike and no prediction differs, 1 otherwise.
"""

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # the folder of this file: it may itself be called brian2.py, or lie beside a numpy.py

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import (
    EventMonitor,
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    prefs,
)

Told = dict[str, Any]
"""An object of the description: JSON values."""


class Model:
    """The objects of the network, made from the description and the arrays of the .npz file."""

    def __init__(self, data: Mapping[str, np.ndarray]) -> None:
        self.data = data
        self.told = json.loads(str(data["description"]))
        self.steps = self.told["steps"]
        self.groups: dict[str, Any] = {}
        self.monitors: dict[str, dict[str, Any]] = {}
        self.objects: list[object] = []
        for each in self.told["trains"]:
            self.add_train(each)
        for each in self.told["relays"]:
            self.add_relay(each)
        for each in self.told["cells"]:
            self.add_cells(each)
        for each in self.told["projections"]:
            self.add_synapses(each)
        self.network = Network(self.objects)
        self.network.schedule = ["start", "groups", "synapses", "thresholds", "resets", "end"]

    def array(self, owner: Told, name: str) -> np.ndarray:
        return self.data[f"{owner['id']}.{name}"]

    def over_time(self, values: np.ndarray) -> TimedArray:
        """A value for each clock step 0 .. steps."""
        return TimedArray(np.asarray(values, dtype=float), dt=defaultclock.dt)

    def add_train(self, told: Told) -> None:
        """Input spikes at given times."""
        clock = told["begins"] + self.array(told, "step")
        group = SpikeGeneratorGroup(told["size"], self.array(told, "neuron"), clock * ms)
        self.add_group(told, group)

    def add_group(self, told: Told, group: object) -> None:
        self.groups[told["id"]] = group
        self.objects.append(group)

    def events_of(self, told: Told) -> list[str]:
        """Names of the axons of a membrane: positive ones, then negative ones."""
        signs = ("up", "down") if told["code"]["signed"] else ("up",)
        return [f"{sign}{j}" for sign in signs for j in range(1, len(told["code"]["levels"]) + 1)]

    def add_cells(self, told: Told) -> None:
        """Membranes that grow by their base while they hear, and compare with falling thresholds after their wait."""
        local = np.arange(self.steps + 1) - told["opens"]
        grown = np.clip(local, 0, told["hears"])
        space = {"growth": self.over_time(np.where((local >= 1) & (local <= told["hears"]), told["growth"], 1.0))}
        events = {}
        if told["code"] is not None:
            thetas, group = self.array(told, "thresholds"), len(told["code"]["levels"])
            for j in range(1, group + 1):
                phase = (local - told["wait"] - 1) * group + j
                fires = (local > told["wait"]) & (phase <= len(thetas))
                theta = np.full(self.steps + 1, np.inf)
                theta[fires] = thetas[phase[fires] - 1] * float(told["growth"]) ** grown[fires]
                space |= {f"theta{j}": self.over_time(theta), f"phase{j}": self.over_time(phase)}
                for sign, name in (("", "up"), ("-", "down")):
                    if name == "up" or told["code"]["signed"]:
                        events[f"{name}{j}"] = self.condition(sign, j)
        parameters = "v : 1\nscale : 1 (constant)\nlast : 1 (constant)\nfired : boolean"
        group = NeuronGroup(told["size"], parameters, events=events, namespace=space)
        group.run_regularly("v = v * growth(t)", when="groups")
        group.v = self.array(told, "potential")
        if events:
            group.scale, group.last = self.array(told, "scale"), self.array(told, "last")
        for event in events:
            group.run_on_event(event, "fired = True", when="resets")
        self.add_group(told, group)
        if events:
            self.monitors[told["id"]] = {event: EventMonitor(group, event) for event in events}
            self.objects += self.monitors[told["id"]].values()

    @staticmethod
    def condition(sign: str, j: int) -> str:
        """Axon j fires if the membrane reaches its threshold, not that of the axon before it, and none has fired."""
        reached = f"{sign}v >= scale * theta{j}(t) and phase{j}(t) <= last and not fired"
        return reached if j == 1 else f"{reached} and {sign}v < scale * theta{j - 1}(t)"

    def add_relay(self, told: Told) -> None:
        """A maximum: the first positive spike passes; a negative one only when every member has sent a negative one."""
        axons = range(1, len(told["code"]["levels"]) + 1)
        arrivals = [f"{sign}{j}_now" for sign in ("up", "down") for j in axons]
        parameters = "".join(f"{name} : 1\n" for name in arrivals)
        parameters += "fallen : 1\nmembers : 1 (constant)\nfired : boolean"
        events = {}
        for j in axons:
            earlier = "".join(f" and up{i}_now == 0" for i in range(1, j))
            events[f"up{j}"] = f"up{j}_now > 0 and not fired{earlier}"
        nothing_up = "".join(f" and up{i}_now == 0" for i in axons)
        for j in axons if told["code"]["signed"] else ():
            later = "".join(f" and down{i}_now == 0" for i in range(j + 1, len(axons) + 1))
            events[f"down{j}"] = f"down{j}_now > 0 and fallen >= members and not fired{nothing_up}{later}"
        group = NeuronGroup(told["size"], parameters, events=events)
        group.members = self.array(told, "members")
        for event in events:
            group.run_on_event(event, "fired = True", when="resets")
        group.run_regularly("\n".join(f"{name} = 0" for name in arrivals), when="end")
        self.add_group(told, group)

    def add_synapses(self, told: Told) -> None:
        """Synapses of one source; each axon is a pathway of its own with what its spike is worth."""
        source = next(x for kind in ("trains", "relays", "cells") for x in self.told[kind] if x["id"] == told["source"])
        target = next(x for kind in ("relays", "cells") for x in self.told[kind] if x["id"] == told["target"])
        is_train = source in self.told["trains"]
        events = {"up1": "spike"} if is_train else {event: event for event in self.events_of(source)}
        space, faded = {}, ""
        if target in self.told["cells"] and source["code"]["base"] != target["growth"]:
            # The membrane grows by another base than the value of the source's spikes falls by.
            local = np.clip(np.arange(self.steps + 1) - target["opens"], 0, target["hears"])
            space["ratio"] = self.over_time((target["growth"] / source["code"]["base"]) ** local)
            faded = " * ratio(t)"
        statements = {}
        for event in events:
            sign, j = ("+", event[2:]) if event.startswith("up") else ("-", event[4:])
            if target in self.told["relays"]:
                statements[event] = self.heard_by_relay(sign, j)
            else:
                level = source["code"]["levels"][int(j) - 1]
                statements[event] = f"v_post {sign}= w{f' * {level!r}' if level != 1 else ''}{faded}"
        synapses = Synapses(
            self.groups[told["source"]],
            self.groups[told["target"]],
            "w : 1 (constant)",
            on_pre=statements,
            on_event=events,
            delay=dict.fromkeys(events, told["delay"] * ms),
            namespace=space,
        )
        synapses.connect(i=self.array(told, "pre"), j=self.array(told, "post"))
        synapses.w = self.array(told, "weight")
        self.objects.append(synapses)

    @staticmethod
    def heard_by_relay(sign: str, j: str) -> str:
        """A relay counts what arrives by sign; a negative weight turns the sign of a spike."""
        up, down = ("w > 0", "w < 0") if sign == "+" else ("w < 0", "w > 0")
        return f"up{j}_now_post += int({up})\ndown{j}_now_post += int({down})\nfallen_post += int({down})"

    def run(self) -> None:
        self.network.run((self.steps + 1) * ms)

    def codes(self, told: Told) -> tuple[np.ndarray, np.ndarray]:
        """sign * phase of each membrane, 0 for silence, and how often each has fired."""
        code, count = np.zeros(told["size"], dtype=int), np.zeros(told["size"], dtype=int)
        for event, monitor in self.monitors[told["id"]].items():
            step = np.rint(np.asarray(monitor.t / ms)).astype(int) - told["opens"] - told["wait"]
            sign, j = (1, int(event[2:])) if event.startswith("up") else (-1, int(event[4:]))
            code[np.asarray(monitor.i)] = sign * ((step - 1) * len(told["code"]["levels"]) + j)
            np.add.at(count, np.asarray(monitor.i), 1)
        return code, count

    def output(self) -> np.ndarray:
        """Potentials of the output, in units of the source model."""
        told = self.told["cells"][-1]
        potential = np.array(self.groups[told["id"]].v) / float(told["growth"]) ** told["hears"]
        return potential.reshape(told["shape"])


def compare(model: Model) -> tuple[Told, dict[str, np.ndarray], np.ndarray]:
    """What the run gave beside what the exported network gives."""
    rows, events = [], {}
    for told in model.told["cells"][:-1]:
        code, count = model.codes(told)
        expected = model.array(told, "expected")
        row = {"name": told["name"], "neurons": told["size"], "spikes": int(count.sum())}
        row |= {"expected_spikes": int((expected != 0).sum()), "differ": int((code != expected).sum())}
        row |= {"most_spikes_of_a_neuron": int(count.max(initial=0))}
        rows.append(row)
        events[told["name"]] = code
    output, expected = model.output(), model.array(model.told["cells"][-1], "expected")
    wrong = int((output.argmax(1) != expected.argmax(1)).sum()) if output.size else 0
    told = {"populations": rows, "rows": len(output), "predictions_differ": wrong}
    told["largest_difference"] = float(np.abs(output - expected).max()) if output.size else 0.0
    return told, events, output


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the exported network in Brian2 and compare every spike.")
    parser.add_argument("--results", help="write spikes and potentials to this .npz file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    prefs.codegen.target = "numpy"
    defaultclock.dt = 1 * ms
    start = time.perf_counter()
    with np.load(Path(__file__).with_suffix(".npz")) as data:
        model = Model(data)
        built = time.perf_counter()
        model.run()
        told, codes, output = compare(model)
    told |= {"build_seconds": built - start, "run_seconds": time.perf_counter() - built}
    told["synapses"] = model.told["synapses"]
    if options.results:
        results: dict[str, Any] = {f"{name}.code": code for name, code in codes.items()}
        np.savez_compressed(options.results, output=output, **results)
    different = sum(row["differ"] for row in told["populations"])
    spikes = sum(row["spikes"] for row in told["populations"])
    if options.json:
        print(json.dumps(told))
    else:
        for row in told["populations"]:
            print("{name}: {neurons} neurons, {spikes} spikes, {differ} differ".format(**row))
        print(
            f"{told['synapses']:,} synapses, {spikes:,} spikes, {different:,} differ; {told['rows']} predictions, "
            f"{told['predictions_differ']} differ; potentials within {told['largest_difference']:.1e}; "
            f"built in {told['build_seconds']:.1f} s, run in {told['run_seconds']:.1f} s"
        )
    return 0 if different == 0 and told["predictions_differ"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
