#!/usr/bin/env python3
"""Loquat's training step beside PyTorch's, in turn, in one run: ratios of medians.

    apt install python3-torch
    bench/compare/train.py [--loquat build/release/loquat] [--rounds 5] [--params 14m] [--batch 16] [--isa avx512]
    bench/compare/train.py --device cuda --compile --params gpt2-124m     # on a graphics card

Both train the model of `loquat bench train --params NAME`: RMSNorm, rotary positions, SwiGLU, tied embeddings; forward,
backward, clipping, AdamW. PyTorch runs in float32 and under bfloat16 autocast (on a card under autocast alone).
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F
from torch import nn

SHAPES = {  # layers, width, heads, inner, vocabulary, context, batch
    "14m": (6, 384, 6, 1024, 8192, 512, 16),
    "gpt2-124m": (12, 768, 12, 2048, 50257, 1024, 32),
}
LAYERS, WIDTH, HEADS, INNER, VOCABULARY, CONTEXT, BATCH, HEAD = (0,) * 8  # set by main


def choose_shape(name):
    global LAYERS, WIDTH, HEADS, INNER, VOCABULARY, CONTEXT, BATCH, HEAD
    LAYERS, WIDTH, HEADS, INNER, VOCABULARY, CONTEXT, BATCH = SHAPES[name]
    HEAD = WIDTH // HEADS


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate(x, cosine, sine):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), -1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_norm, self.mlp_norm = Norm(), Norm()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.output = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate_up = nn.Linear(WIDTH, 2 * INNER, bias=False)
        self.down = nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x, cosine, sine, mask):
        batch, length, _ = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(batch, length, 3, HEADS, HEAD).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cosine, sine), rotate(k, cosine, sine)
        if hasattr(F, "scaled_dot_product_attention"):
            out = F.scaled_dot_product_attention(q, k.type_as(q), v.type_as(q), is_causal=True)
        else:
            scores = q @ k.transpose(-1, -2) / math.sqrt(HEAD) + mask
            out = scores.softmax(-1).type_as(v) @ v
        x = x + self.output(out.transpose(1, 2).reshape(batch, length, WIDTH).type_as(x))
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = Norm()
        nn.init.normal_(self.embedding.weight, std=0.02)
        angles = torch.outer(torch.arange(CONTEXT), 10000.0 ** (-torch.arange(0, HEAD, 2) / HEAD))
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())
        self.register_buffer("mask", torch.full((CONTEXT, CONTEXT), -math.inf).triu(1))

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine, self.mask)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.float().view(-1, VOCABULARY), targets.reshape(-1))


class Peer:
    def __init__(self, batch, autocast, device, compiled):
        torch.manual_seed(1)
        self.model = Model().to(device)
        self.forward = torch.compile(self.model) if compiled else self.model
        fused = {"fused": True} if device == "cuda" else {}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, **fused)
        self.tokens = torch.randint(VOCABULARY, (batch, CONTEXT + 1), device=device)
        self.autocast, self.device = autocast, device

    def step(self):
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.autocast):
            loss = self.forward(self.tokens[:, :-1], self.tokens[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach())

    def tokens_per_second(self):
        steps, begin = 0, time.monotonic()
        while steps == 0 or (self.device == "cuda" and time.monotonic() - begin < 1):
            self.step()  # reads the loss, and so waits for the card
            steps += 1
        return steps * CONTEXT * self.tokens.shape[0] / (time.monotonic() - begin)


def loquat_tokens_per_second(arguments, precision):
    environment = dict(os.environ, LOQUAT_DEVICE=arguments.device)
    if arguments.isa:
        environment["LOQUAT_ISA"] = arguments.isa
    out = subprocess.run(
        [arguments.loquat, "bench", "train", "--params", arguments.params, "--batch", str(arguments.batch), "--precision",
         precision, "--threads", str(arguments.threads), "--seconds", "1", "--json"],
        check=True, capture_output=True, text=True, env=environment)
    return json.loads(out.stdout)["tokens_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loquat", default="build/release/loquat")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--params", choices=SHAPES, default="14m")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--isa", default="", help="LOQUAT_ISA: avx2, avx512, avx512bf16, amx")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    choose_shape(arguments.params)
    arguments.batch = arguments.batch or BATCH
    peers = {"PyTorch bfloat16": Peer(arguments.batch, True, arguments.device, arguments.compile)}
    ours = {"Loquat bfloat16": "bf16"}
    if arguments.device == "cpu":
        peers["PyTorch float32"] = Peer(arguments.batch, False, "cpu", arguments.compile)
        ours["Loquat float32"] = "f32"
    seen = {name: [] for name in (*ours, *peers)}
    for peer in peers.values():
        peer.step()
    for _ in range(arguments.rounds):
        for name, precision in ours.items():
            seen[name].append(loquat_tokens_per_second(arguments, precision))
        for name, peer in peers.items():
            seen[name].append(peer.tokens_per_second())
    medians = {name: statistics.median(values) for name, values in seen.items()}
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads, batch {arguments.batch} x {CONTEXT}, "
          f"{arguments.rounds} rounds; kernels {arguments.isa or 'chosen by Loquat'}")
    for name, value in medians.items():
        low, high = min(seen[name]), max(seen[name])
        print(f"{name:18} {value:9.0f} tokens/s   ({low:.0f} to {high:.0f})")
    for mine in ours:
        for theirs in peers:
            print(f"{mine} / {theirs}: {medians[mine] / medians[theirs]:.2f}")


if __name__ == "__main__":
    main()
