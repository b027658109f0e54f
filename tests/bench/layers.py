"""ECAPA-TDNN computed as the public toolkits do it, with the weights of our encoder.

The encoder's test compares results with this form. The benchmarks compare speed with it.
"""

import torch
from torch.nn import functional as F


def layer_by_layer(model, feats: torch.Tensor) -> torch.Tensor:
    """Embeddings (B, D) of features (B, T, F).

    Convolutions work on (B, C, T). The attention gets the mean and the deviation repeated in every frame. WeSpeaker
    (ecapa_tdnn.py, pooling_layers.py), 3D-Speaker and SpeechBrain share this structure.
    """

    def dense(layers, x):
        conv, _, norm = layers
        return norm(F.relu(conv(x), inplace=True))

    x = dense(model.front, feats.transpose(1, 2))
    outputs = []
    for layer in model.blocks:
        before, res2, after, gains = layer.block
        y = dense(before, x)
        parts = torch.split(y, res2.width, dim=1)
        done, last = [], None
        for conv, part in zip(res2.convs, parts[1:]):
            last = dense(conv, part if last is None else part + last)
            done.append(last)
        y = dense(after, torch.cat([*done, parts[0]], dim=1))
        gain = torch.sigmoid(gains.up(F.relu(gains.down(y.mean(dim=2)))))
        x = x + y * gain.unsqueeze(2)
        outputs.append(x)
    x = F.relu(model.aggregate[0](torch.cat(outputs, dim=1)))

    pool = model.pool
    mean = x.mean(dim=-1, keepdim=True).expand_as(x)
    deviation = torch.sqrt(torch.var(x, dim=-1, keepdim=True, unbiased=False) + 1e-7).expand_as(x)
    down = torch.cat([pool.down.weight, pool.context.weight.unsqueeze(2)], dim=1)
    logits = pool.up(torch.tanh(F.conv1d(torch.cat([x, mean, deviation], dim=1), down, pool.down.bias)))
    weight = torch.softmax(logits, dim=2)
    mean = torch.sum(weight * x, dim=2)
    variance = torch.sum(weight * x**2, dim=2) - mean**2
    statistics = torch.cat([mean, torch.sqrt(variance.clamp(min=1e-7))], dim=1)
    return model.embedding_norm(model.embedding(model.pool_norm(statistics)))
