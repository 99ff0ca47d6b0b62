"""Why layers cannot become spikes, and what would work: one text for each reason, whatever library the layer comes from."""

from __future__ import annotations

from gcn2snn.frontends.registry import Reason

GRAPH_LAYERS = "the GCN, SAGE and GIN layers of the support table"

ATTENTION = Reason(
    why="weighs its inputs by the values themselves, and a spike only adds its weight.",
    instead=f"Use fixed weights: {GRAPH_LAYERS} weigh neighbours by the graph alone.",
)
GATES = Reason(
    why="has gates that multiply values with values, and a spike only adds its weight.",
    instead=f"Use feed-forward layers with ReLU: linear layers, convolutions, {GRAPH_LAYERS}.",
)
NORMALISATION = Reason(
    why="divides by a statistic of its own input, which no single neuron knows.",
    instead="Use batch norm, which is constant after training.",
)
NO_STATISTICS = Reason(
    why="has no running statistics, so its result depends on the batch.",
    instead="Train with track_running_stats=True.",
)
BATCH_STATISTICS = Reason(
    why="normalises by the statistics of the batch, which no single neuron knows.",
    instead="Call model.eval() first.",
)
RANDOM = Reason(
    why="is active in evaluation mode, so the model's result is random.",
    instead="Pass training=self.training, and call model.eval() before converting.",
)
NOT_RELU = Reason(
    why="is not a ReLU; a neuron that fires at most once sends max(x, 0).",
    instead="Use ReLU, or fine-tune the model with ReLU.",
)
SATURATES = Reason(
    why="saturates; a neuron that fires at most once sends max(x, 0).",
    instead="Use ReLU inside the model, and return scores before the sigmoid.",
)
WEIGHTED_MAXIMUM = Reason(
    why="takes a maximum over weighted messages, and the first spike wins whatever its weight.",
    instead="Leave the edge weights out, or use a sum or a mean of the neighbours.",
)
CHANGED_GRAPH = Reason(
    why="changes the graph, or computes with it, inside the model.",
    instead="Do it before the model is called, and use layers of the support table.",
)
