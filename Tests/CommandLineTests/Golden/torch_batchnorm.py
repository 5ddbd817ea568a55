"""What PyTorch makes of the weights of the tests' recipe `augmented` (UserFiles.swift). Prints JSON.

usage: torch_batchnorm.py CHECKPOINT DATA

Loads model.safetensors strictly into the same layers, and gives the test split's figures in evaluation
mode: with the running statistics, and with the inputs standardized as state.json says. Written for
PyTorch 2.13 and safetensors 0.6.
"""
import json
import struct
import sys

import torch
from safetensors.torch import load_file
from torch import nn


def read(path, header):
    with open(path, "rb") as file:
        dims = struct.unpack(">" + "I" * ((header - 4) // 4), file.read(header)[4:])
        return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).reshape(dims)


checkpoint, data = sys.argv[1:]
model = nn.Sequential(
    nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Dropout(0.3), nn.Linear(144, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5),
    nn.Linear(16, 10))
model.load_state_dict(load_file(checkpoint + "/model.safetensors"), strict=True)
model.eval()
with open(checkpoint + "/state.json") as file:
    standardization = json.load(file)["standardization"]["input"]
images = read(data + "/t10k-images-idx3-ubyte", 16).unsqueeze(1).float() / 255
images = (images - standardization["mean"][0]) / standardization["deviation"][0]
labels = read(data + "/t10k-labels-idx1-ubyte", 8).long()
with torch.no_grad():
    logits = model(images)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(logits.double(), labels)
print(json.dumps({
    "loss": loss.item(),
    "correct": int((logits.argmax(1) == labels).sum()),
    "tracked": [int(model[1].num_batches_tracked), int(model[7].num_batches_tracked)],
}))
