"""Why layers cannot become spikes, and what would work: one text for each reason, whatever library the layer comes from."""

from __future__ import annotations

from torch import nn

from gcn2snn.frontends.registry import Reason

GRAPH_LAYERS = "the GCN, SAGE and GIN layers of the support table"

ATTENTION = Reason(
    why="weighs its inputs by the values themselves, and a spike only adds its weight.",
    instead=f"Use fixed weights: {GRAPH_LAYERS} weigh neighbours by the graph alone.",
    kind="impossible",
)
GATES = Reason(
    why="has gates that multiply values with values, and a spike only adds its weight.",
    instead=f"Use feed-forward layers with ReLU: linear layers, convolutions, {GRAPH_LAYERS}.",
    kind="impossible",
)
NORMALISATION = Reason(
    why="divides by a statistic of its own input, which no single neuron knows.",
    instead="Use batch norm, which is constant after training.",
    kind="impossible",
)
NO_STATISTICS = Reason(
    why="has no running statistics, so its result depends on the batch.",
    instead="Train with track_running_stats=True.",
    kind="impossible",
)
BATCH_STATISTICS = Reason(
    why="normalises by the statistics of the batch, which no single neuron knows.",
    instead="Call model.eval() first.",
    kind="model",
)
RANDOM = Reason(
    why="is active in evaluation mode, so the model's result is random.",
    instead="Pass training=self.training, and call model.eval() before converting.",
    kind="model",
)
NOT_RELU = Reason(
    why="is not a ReLU; a neuron that fires at most once sends max(x, 0).",
    instead="Use ReLU, or fine-tune the model with ReLU.",
    kind="impossible",
)
SATURATES = Reason(
    why="saturates; a neuron that fires at most once sends max(x, 0).",
    instead="Use ReLU inside the model, and return scores before the sigmoid.",
    kind="impossible",
)
DEVIATION = Reason(
    why="squares values, and a spike only adds its weight.",
    instead="Use sums, means, maxima and minima; several of them go side by side.",
    kind="impossible",
)
CHOOSES = Reason(
    why="chooses among nodes or edges by values that the network computes, and weighs them by these values.",
    instead="Use a sum, mean or maximum over the nodes of each graph.",
    kind="impossible",
)
NEAREST = Reason(
    why="finds the nearest nodes by values that the network computes, so its graph changes with every spike.",
    instead="Find the nearest nodes by the inputs before the model is called, and use EdgeConv.",
    kind="impossible",
)
PRODUCT = Reason(
    why="multiplies two values of the network; a spike only adds its weight.",
    instead="At the very end of a model such a product is worked out on potentials; leave out what stands behind it.",
    kind="impossible",
)
QUOTIENT = Reason(
    why="divides by a value of the network.",
    instead="Divide by constants only.",
    kind="impossible",
)
UNKNOWN_REDUCTION = Reason(
    why="is no sum, mean, maximum or minimum; no other reduction by single spikes is known.",
    instead="Use one of these, or several side by side.",
    kind="unknown",
)
VALUES_AS_WEIGHTS = Reason(
    why="multiplies values of nodes by values that a network computes of the edges, and a spike only adds its weight.",
    instead="Pass numbers as edge weights, or add the values of the edges (GINEConv).",
    kind="impossible",
)
CHANGED_GRAPH = Reason(
    why="changes the graph, or computes with it, inside the model.",
    instead="Do it before the model is called, and use layers of the support table.",
    kind="unknown",
)
VALUES_READ = Reason(
    why="needs the value itself, which only a call brings; reading a model follows what it computes, not what it decides.",
    instead="Write it without control flow on values.",
    kind="impossible",
)
HOOKS = Reason(
    why="changes what a layer inside another one gives, and the outer layer is read as a whole.",
    instead="Remove the hook, or do its work in the model's forward.",
    kind="unknown",
)


REPLACED_FORWARD = Reason(
    why="has a forward that was put on this one object, so the layer does not compute what its class says.",
    instead="Write a module of your own with that forward, which holds the layer.",
    kind="model",
)


def unknown_layer(cls: type[nn.Module]) -> Reason:
    """Why a layer that no handler knows is refused: by what it is, where that says more."""
    home = cls.__module__
    if ".quantized" in home or ".intrinsic" in home or ".ao.nn" in home:
        why = "holds quantised weights, whose rounding the network would have to repeat."
        return Reason(why=why, instead="Convert the model that it was made from.", kind="unknown")
    if home.startswith("torch.jit"):
        why = "is compiled by torch.jit, so its layers cannot be seen."
        return Reason(why=why, instead="Convert the module that it was made from.", kind="model")
    return Reason(
        why="no handler knows it.", instead=f"Pass handlers={{{cls.__name__}: your_handler}}.", kind="unknown"
    )
