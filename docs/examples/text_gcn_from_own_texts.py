"""A Text GCN from your own texts, as one-spike neurons, and a new text classified with it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import gcn2snn

TEXTS = """sport\tthe striker scored a late goal in the match
sport\tthe keeper saved a penalty in the cup match
sport\ta goal in the last minute won the cup
sport\tthe team lost the match after a penalty
sport\tthe striker left the team before the cup
finance\tthe bank raised its interest rate
finance\tshares of the bank fell after the report
finance\tinvestors sold shares as the rate rose
finance\tthe report said profits of the bank rose
finance\tthe market fell as investors sold bonds
"""

with TemporaryDirectory() as folder:
    corpus = Path(folder) / "texts.tsv"
    corpus.write_text(TEXTS, encoding="utf-8")
    graph = gcn2snn.load_graph(corpus, cache=False)

model = gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=32, epochs=30, seed=0)))
snn = gcn2snn.convert(model, graph)
print(gcn2snn.evaluate(snn, graph))

new = ["shares fell", "a goal in the cup"]
for text, label, shares in zip(new, snn.predict(new), snn.predict_proba(new), strict=True):
    print(f"{text}: {label} ({100 * shares.max():.0f} %)")
