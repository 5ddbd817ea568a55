"""What PyTorch makes of nndist's weights. Prints JSON.

usage: torch_eval.py MODEL.safetensors DATA

NeuralNetwork is the class of PyTorch's quickstart notebook, word for word. The figures are those its
test() prints: the mean of the batches' mean losses and the number of right answers; and besides the
mean over the samples, and the loss of each of the first five samples.
"""
import json
import struct
import sys

import torch
from safetensors.torch import load_file
from torch import nn


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28*28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10)
        )

    def forward(self, x):
        x = self.flatten(x)
        logits = self.linear_relu_stack(x)
        return logits


def read(path, header):
    with open(path, "rb") as file:
        dims = struct.unpack(">" + "I" * ((header - 4) // 4), file.read(header)[4:])
        return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).reshape(dims)


model = NeuralNetwork()
model.load_state_dict(load_file(sys.argv[1]), strict=True)
model.eval()
images = read(sys.argv[2] + "/t10k-images-idx3-ubyte", 16).unsqueeze(1).float() / 255
labels = read(sys.argv[2] + "/t10k-labels-idx1-ubyte", 8).long()
loss_fn = nn.CrossEntropyLoss()
with torch.no_grad():
    batches = [
        loss_fn(model(x), y).item() for x, y in zip(images.split(64), labels.split(64))]
    logits = model(images).double()
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
print(json.dumps({
    "module": str(model),
    "loss_batch_mean": sum(batches) / len(batches),
    "loss": losses.mean().item(),
    "correct": int((logits.argmax(1) == labels).sum()),
    "first": losses[:5].tolist(),
}))
