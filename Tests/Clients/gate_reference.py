# SPDX-License-Identifier: Apache-2.0
"""The weights of a trained gate by the formula, in double precision and with nothing but Python.

usage: gate_reference.py MODEL_FOLDER GATE_FOLDER TOKEN...

For gates that read the embeddings of the whole prompt (pooling prompt, granularity network, layer 0).
Prints the weights as JSON.
"""
import json
import math
import struct
import sys


def tensors(path, wanted):
    """Those tensors of a safetensors file, as flat lists with their shapes."""
    found = {}
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        for name in wanted:
            entry = header[name]
            begin, end = entry["data_offsets"]
            file.seek(8 + size + begin)
            data = file.read(end - begin)
            if entry["dtype"] == "BF16":
                words = struct.unpack(f"<{len(data) // 2}H", data)
                data = struct.pack(f"<{len(words)}I", *(word << 16 for word in words))
            found[name] = (struct.unpack(f"<{len(data) // 4}f", data), entry["shape"])
    return found


def main():
    model, gate, tokens = sys.argv[1], sys.argv[2], [int(token) for token in sys.argv[3:]]
    with open(f"{gate}/mole_config.json") as file:
        config = json.load(file)
    assert (config["pooling"], config["granularity"], config["layer"]) == ("prompt", "network", 0)
    embedding, (_, hidden) = tensors(
        f"{model}/model.safetensors", ["model.embed_tokens.weight"])["model.embed_tokens.weight"]
    names = [f"layers.0.network.{part}" for part in ("pool.weight", "bias", "log_tau")]
    (weight, _), (bias, _), (log_tau, _) = tensors(f"{gate}/mole_gate.safetensors", names).values()
    pooled = [0.0] * hidden
    for token in tokens:
        row = embedding[token * hidden:(token + 1) * hidden]
        norm = math.sqrt(sum(x * x for x in row) / hidden + config["eps"])
        pooled = [total + x / norm for total, x in zip(pooled, row)]
    logits = [
        (sum(w * x for w, x in zip(weight[n * hidden:(n + 1) * hidden], pooled))
         / math.sqrt(len(tokens)) + bias[n]) / math.exp(log_tau[0])
        for n in range(len(bias))]
    shifted = [math.exp(logit - max(logits)) for logit in logits]
    print(json.dumps([value / sum(shifted) for value in shifted]))


main()
