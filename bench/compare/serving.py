#!/usr/bin/env python3
"""Times of `loquat serve` as a client sees them, on a model of random weights:

    apt install python3-numpy
    bench/compare/serving.py --tokenizer runs/town/tokenizer [--params 26m] [--weights bf16] [--rounds 10]

The first token of a short prompt, alone and while a prompt of 4,000 tokens is being read, in turn; the second turn of a
conversation of 2,000 tokens beside its first; 32 streams at once.
"""
import argparse
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import numpy

from decode import SHAPES

CONTEXT = 8192


def write_folder(folder, shape, tokenizer):
    layers, width, heads, kv_heads, head, inner, vocabulary, _, tied = shape
    os.makedirs(folder)
    for name in os.listdir(tokenizer):
        shutil.copy(os.path.join(tokenizer, name), folder)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary, "hidden_size": width,
              "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head,
              "intermediate_size": inner, "max_position_embeddings": CONTEXT, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
              "tie_word_embeddings": tied, "hidden_act": "silu", "torch_dtype": "bfloat16"}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    tensors = {"model.embed_tokens.weight": (vocabulary, width), "model.norm.weight": (width,)}
    for i in range(layers):
        at = f"model.layers.{i}."
        tensors |= {at + "input_layernorm.weight": (width,), at + "self_attn.q_proj.weight": (heads * head, width),
                    at + "self_attn.k_proj.weight": (kv_heads * head, width),
                    at + "self_attn.v_proj.weight": (kv_heads * head, width),
                    at + "self_attn.o_proj.weight": (width, heads * head),
                    at + "post_attention_layernorm.weight": (width,), at + "mlp.gate_proj.weight": (inner, width),
                    at + "mlp.up_proj.weight": (inner, width), at + "mlp.down_proj.weight": (width, inner)}
    if not tied:
        tensors["lm_head.weight"] = (vocabulary, width)
    rng = numpy.random.default_rng(1)
    header, pieces, at = {}, [], 0
    for name, size in tensors.items():
        values = numpy.ones(size, numpy.float32) if len(size) == 1 else rng.standard_normal(size, numpy.float32) * 0.02
        piece = (values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
        header[name] = {"dtype": "BF16", "shape": list(size), "data_offsets": [at, at + len(piece)]}
        pieces.append(piece)
        at += len(piece)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for piece in pieces:
            file.write(piece)


class Server:
    def __init__(self, loquat, folder, weights):
        self.process = subprocess.Popen([loquat, "serve", folder, "--port", "0", "--weights", weights],
                                        stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stderr.readline().split("http://localhost:")[1].split()[0])
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stream(self, prompt, max_tokens, forbidden):
        """Seconds to the first token and to the end, and the usage."""
        body = json.dumps({"model": "model", "prompt": prompt, "max_tokens": max_tokens, "stream": True, "seed": 1,
                           "logit_bias": forbidden, "stream_options": {"include_usage": True}})
        connection = http.client.HTTPConnection("localhost", self.port)
        start = time.perf_counter()
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise SystemExit(response.read().decode())
        first, usage = None, None
        for line in response:
            if line.startswith(b"data: {"):
                first = first or time.perf_counter() - start
                usage = json.loads(line[6:]).get("usage") or usage
        connection.close()
        return first, time.perf_counter() - start, usage


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a folder with tokenizer.json")
    parser.add_argument("--loquat", default="build/release/loquat")
    parser.add_argument("--params", choices=SHAPES, default="26m")
    parser.add_argument("--weights", choices=["bf16", "int8", "int4"], default="bf16")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    rng = random.Random(1)
    forbidden = {str(token): -100 for token in range(6)}  # control tokens: the end of a text too

    def prompt(tokens):
        return [rng.randrange(300, 1500) for _ in range(tokens)]

    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, "model")
        write_folder(folder, SHAPES[arguments.params], arguments.tokenizer)
        server = Server(arguments.loquat, folder, arguments.weights)
        server.stream(prompt(16), 4, forbidden)  # loads the model
        alone, beside = [], []
        for _ in range(arguments.rounds):
            alone.append(server.stream(prompt(16), 2, forbidden)[0])
            long = threading.Thread(target=server.stream, args=(prompt(4000), 1, forbidden))
            long.start()
            time.sleep(0.05 + 0.1 * rng.random())
            beside.append(server.stream(prompt(16), 2, forbidden)[0])
            was_running = long.is_alive()
            long.join()
            if not was_running:
                beside.pop()
        a, b = statistics.median(alone), statistics.median(beside)
        print(f"first token of 16: alone {1000 * a:.1f} ms, beside 4,000 tokens being read {1000 * b:.1f} ms "
              f"({len(beside)} times): {b / a:.2f} times")
        conversation = prompt(2000)
        _, first, _ = server.stream(conversation, 2, forbidden)
        _, second, usage = server.stream(conversation + prompt(30), 2, forbidden)
        print(f"2,000 tokens: {1000 * first:.0f} ms; with 30 more {1000 * second:.0f} ms, "
              f"{usage['prompt_tokens_details']['cached_tokens']} of {usage['prompt_tokens']} from the cache")
        start, total = time.perf_counter(), 64
        threads = [threading.Thread(target=server.stream, args=(prompt(16), total, forbidden)) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"32 streams: {32 * total / (time.perf_counter() - start):.0f} tokens/s in all")
        server.process.terminate()
        server.process.wait()


if __name__ == "__main__":
    main()
