"""Write numbers.json: what PyTorch computes, in float64, for `tests/test_pytorch.py` to compare with.

    python -m tests.pytorch.make_numbers

It needs torch and NumPy, and nothing else; it was last run with torch 2.13.0.
"""

import json
from pathlib import Path

import torch

from tests.pytorch import drawn, networks

NUMBERS = Path(__file__).with_name("numbers.json")
MAKE = {"mlp": networks.mlp, "lenet": networks.lenet, "vgg": networks.vgg, "line_cnn": networks.line_cnn}
MAKE |= {"Resnet": networks.resnet, "Bottleneck": networks.block}


def main():
    numbers = {}
    for name, arguments in drawn.CASES.items():
        kind, *_ = name.split(",")
        network = MAKE[kind](**arguments).double()
        networks.set_weights(network, drawn.weights(networks.shapes(network)))
        x = torch.tensor(drawn.inputs(arguments["input_shape"]), requires_grad=True)

        numbers[f"{name}: in use"] = network.eval()(x)
        network.train()
        y = network(x)
        loss = total_loss(kind, y, arguments)
        loss.backward()
        numbers |= {f"{name}: in training": y, f"{name}: loss": loss, f"{name}: gradient of the input": x.grad}
        for i, weight in enumerate(network.parameters()):
            numbers[f"{name}: gradient {i}"] = networks.to_keras(weight.grad)
        means = [values for key, values in network.state_dict().items() if key.endswith("running_mean")]
        numbers |= {f"{name}: moving mean {i}": mean for i, mean in enumerate(means)}

    logits = torch.tensor(drawn.inputs((drawn.CTC_STEPS, drawn.CTC_CLASSES), len(drawn.CTC_LABELS)), requires_grad=True)
    losses = ctc(logits, drawn.CTC_LABELS)
    losses.sum().backward()
    numbers |= {"CTC: losses": losses, "CTC: gradient": logits.grad}

    lines = [f"{json.dumps(name)}: {rounded(values)}" for name, values in numbers.items()]
    NUMBERS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def total_loss(kind, y, arguments):
    if kind == "Bottleneck":
        return (y * torch.tensor(drawn.weighting(y.shape))).sum()
    if kind == "line_cnn":
        return ctc(y, drawn.LINE_LABELS).mean()
    return torch.nn.functional.cross_entropy(y, torch.tensor(drawn.labels(arguments["classes"])))


def ctc(logits, labels):
    labels = torch.tensor(labels)
    return torch.nn.functional.ctc_loss(
        logits.log_softmax(-1).movedim(0, 1),  # (steps, lines, classes)
        labels,
        torch.full((len(labels),), logits.shape[1]),
        (labels > 0).sum(-1),
        blank=0,
        reduction="none",
    )


def rounded(values):
    return json.dumps([float(f"{value:.7g}") for value in drawn.digest(values.detach().numpy())])


if __name__ == "__main__":
    main()
