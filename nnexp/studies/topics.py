"""The questions under which the report lists its studies."""

from __future__ import annotations

from nnexp.messages.language import tr

OTHER = "other"
# The words in a study's file, in the order of the report.
TOPICS = (
    *("initialisation", "activations", "losses", "depth", "rate", "optimisers", "data"),
    *("gradients", "reruns", OTHER),
)


def question(topic: str) -> str:
    """Return the question of a topic."""
    return {
        "initialisation": tr("How should the weights start?"),
        "activations": tr("Which activation?"),
        "losses": tr("Which loss?"),
        "depth": tr("How deep, and how wide?"),
        "rate": tr("Which batch size and learning rate?"),
        "optimisers": tr("Which optimiser?"),
        "data": tr("What do inputs and labels change?"),
        "gradients": tr("Is the gradient right?"),
        "reruns": tr("Does a published run happen again?"),
        OTHER: tr("Other questions"),
    }[topic]
