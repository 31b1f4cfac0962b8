#!/usr/bin/env python3
"""The same GGUF files in Loquat and in llama.cpp: the tokens of texts, and the greedy tokens that follow.

    apt install python3-numpy;  npm install node-llama-cpp   (in a folder PEER)
    bench/compare/greedy.py --peer PEER --bpe FOLDER --spm FOLDER [--only gemma] [--types f16 bf16 q8_0]

FOLDER: a tokenizer.json (byte-level BPE), and a SentencePiece tokenizer.model. For each architecture a small model with
random weights is written as a Hugging Face folder, and `loquat models convert` makes a GGUF file of it. llama.cpp
continues texts greedily by it. Loquat opens the same file, computes in float32, and is asked at each of these tokens
which one it would have taken. "alike": how many are the same; "gap": where one is not, by how much Loquat's first token
is likelier (natural logarithm). llama.cpp keeps keys and values in 16 bits and rounds the inputs of bf16's and Q8_0's
products to bf16 and to 8 bits, so that tokens of nearly the same likelihood may change places. "as f32" is the same with
the file's values converted to F32 (by Loquat), where only the former is left: a gap of more than --most-gap there, or
other tokens of the texts, end with an error. Not compared: windows of Mistral and Phi-3, which llama.cpp does not have.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

import numpy

CONTEXT, TOKENS = 256, 32
HIDDEN, HEADS, KV_HEADS, HEAD, INNER = 128, 4, 2, 32, 256
PROMPTS = [
    "Once upon a time there was a little girl who lived in a village near the forest. Whenever she went out, she wore "
    "a red riding cloak, so everyone in the village called her Little Red Riding Hood. One morning she asked her mother "
    "if she could go to see her grandmother, as it had been a while since they had seen each other. \"That's a good "
    "idea,\" her mother said, and they packed a nice basket to take along.",
    "Prices: 3.50 EUR, 12 000 \u00a5; na\u00efve caf\u00e9s \u2014 \u6771\u4eac\u306e\u5929\u6c17 \U0001f600\n\n  if (x) {\n\treturn 1e-5;\n  }\n",
]
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LONGROPE = {"type": "longrope", "short_factor": [1.0 + 0.01 * i for i in range(HEAD // 2)],
            "long_factor": [1.0 + 0.3 * i for i in range(HEAD // 2)]}
GEMMA = {"head_dim": HEAD, "query_pre_attn_scalar": HEAD, "sliding_window": 32,
         "hidden_activation": "gelu_pytorch_tanh"}
# name: model_type, layers, tokenizer, embedding tied, more of config.json
MODELS = {
    "llama": ("llama", 3, "spm", False, {}),
    "llama tied": ("llama", 3, "bpe", True, {}),
    "llama3": ("llama", 3, "bpe", False, {"rope_theta": 500000.0, "rope_scaling": LLAMA3}),
    "llama linear": ("llama", 3, "spm", False, {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    "llama yarn": ("llama", 3, "spm", False, {"rope_scaling": YARN}),
    "mistral": ("mistral", 3, "spm", False, {"sliding_window": None, "head_dim": HEAD}),
    "qwen2": ("qwen2", 3, "bpe", False, {}),
    "qwen3": ("qwen3", 3, "bpe", True, {"head_dim": 64}),
    "smollm3": ("smollm3", 8, "bpe", True, {}),
    "gemma2": ("gemma2", 4, "spm", True, dict(GEMMA, attn_logit_softcapping=50.0, final_logit_softcapping=30.0)),
    "gemma3": ("gemma3_text", 12, "spm", True,
               dict(GEMMA, rope_theta=1000000.0, rope_local_base_freq=10000.0, _sliding_window_pattern=6)),
    "phi3": ("phi3", 3, "spm", False, {}),
    "phi3 longrope": ("phi3", 3, "spm", False,
                      {"rope_scaling": LONGROPE, "original_max_position_embeddings": 64}),
    "gpt2": ("gpt2", 3, "bpe", True, {}),
}


def config_of(kind, layers, vocabulary, tied, more):
    if kind == "gpt2":
        return {"model_type": kind, "vocab_size": vocabulary, "n_embd": HIDDEN, "n_inner": INNER, "n_layer": layers,
                "n_head": HEADS, "n_positions": CONTEXT}
    config = {"model_type": kind, "vocab_size": vocabulary, "hidden_size": HIDDEN, "intermediate_size": INNER,
              "num_hidden_layers": layers, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
              "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-6, "tie_word_embeddings": tied}
    config.update(more)
    return config


# Names and values of all tensors. Weights are large enough that every part of a layer matters, and the embedding so small
# that the next token is not just the last one.
def weights_of(config, rng):
    def matrix(rows, columns, scale=1.0):
        return (rng.standard_normal((rows, columns)) * scale / columns**0.5).astype(numpy.float32)

    def vector(size, middle, deviation=0.2):
        return (middle + deviation * rng.standard_normal(size)).astype(numpy.float32)

    kind, vocabulary = config["model_type"], config["vocab_size"]
    embedding = (rng.standard_normal((vocabulary, HIDDEN)) * 0.25).astype(numpy.float32)
    if kind == "gpt2":
        yield "wte.weight", embedding * 0.3
        yield "wpe.weight", matrix(CONTEXT, HIDDEN, 2.0)
        for i in range(config["n_layer"]):
            for name, rows, columns in (("attn.c_attn", HIDDEN, 3 * HIDDEN), ("attn.c_proj", HIDDEN, HIDDEN),
                                        ("mlp.c_fc", HIDDEN, INNER), ("mlp.c_proj", INNER, HIDDEN)):
                yield f"h.{i}.{name}.weight", matrix(columns, rows).T.copy()
                yield f"h.{i}.{name}.bias", vector(columns, 0)
            for name in ("ln_1", "ln_2"):
                yield f"h.{i}.{name}.weight", vector(HIDDEN, 1)
                yield f"h.{i}.{name}.bias", vector(HIDDEN, 0)
        yield "ln_f.weight", vector(HIDDEN, 1)
        yield "ln_f.bias", vector(HIDDEN, 0)
        return
    gemma = kind.startswith("gemma")
    middle = 0 if gemma else 1  # Gemma's norms add one
    head = config.get("head_dim", HIDDEN // HEADS)
    yield "model.embed_tokens.weight", embedding * (0.1 if gemma else 0.3 if config["tie_word_embeddings"] else 1)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        q, kv = HEADS * head, KV_HEADS * head
        if kind == "phi3":
            yield layer + "self_attn.qkv_proj.weight", matrix(q + 2 * kv, HIDDEN)
            yield layer + "mlp.gate_up_proj.weight", matrix(2 * INNER, HIDDEN)
        else:
            for name, rows in (("q_proj", q), ("k_proj", kv), ("v_proj", kv)):
                yield layer + f"self_attn.{name}.weight", matrix(rows, HIDDEN)
                if kind == "qwen2":
                    yield layer + f"self_attn.{name}.bias", vector(rows, 0, 0.4)
            yield layer + "mlp.gate_proj.weight", matrix(INNER, HIDDEN)
            yield layer + "mlp.up_proj.weight", matrix(INNER, HIDDEN)
        yield layer + "self_attn.o_proj.weight", matrix(HIDDEN, q)
        yield layer + "mlp.down_proj.weight", matrix(HIDDEN, INNER)
        if kind in ("qwen3", "gemma3_text"):
            yield layer + "self_attn.q_norm.weight", vector(head, middle)
            yield layer + "self_attn.k_norm.weight", vector(head, middle)
        norms = ["input_layernorm", "post_attention_layernorm"]
        if gemma:
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in norms:
            yield layer + name + ".weight", vector(HIDDEN, middle)
    yield "model.norm.weight", vector(HIDDEN, middle)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (rng.standard_normal((vocabulary, HIDDEN)) * 0.25).astype(numpy.float32)


def write_folder(folder, config, tokenizer):
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json"):
        if os.path.exists(os.path.join(tokenizer, name)):
            shutil.copy(os.path.join(tokenizer, name), folder)
    header, blocks, at = {}, [], 0
    for name, values in weights_of(config, numpy.random.default_rng(7)):
        block = values.tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + len(block)]}
        blocks.append(block)
        at += len(block)
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for block in blocks:
            file.write(block)


class Server:
    """`loquat serve` of one folder."""

    def __init__(self, loquat, folder):
        self.process = subprocess.Popen([loquat, "serve", folder, "--port", "0", "--fp32"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        said = ""
        for line in self.process.stdout:
            said += line
            if found := re.search(r"http://[\w.:]+", line):
                self.address = found[0]
                break
        else:
            raise SystemExit(f"loquat serve {folder}:\n{said}")
        self.model = self.get("/v1/models")["data"][0]["id"]

    def get(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def tokens(self, text):
        return self.get("/tokenize", {"model": self.model, "prompt": text})["tokens"]

    # Of each token after the first: by how much another one would have been likelier.
    def gaps(self, tokens):
        reply = self.get("/v1/completions", {"model": self.model, "prompt": tokens, "max_tokens": 0, "echo": True,
                                             "logprobs": 5})
        told = reply["choices"][0]["logprobs"]
        return [max(top.values()) - own for own, top in zip(told["token_logprobs"][1:], told["top_logprobs"][1:])]

    def close(self):
        self.process.terminate()
        self.process.wait()


def ask_peer(peer, model, prompts):
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "greedy.mjs"),
                os.path.join(peer, "loquat-greedy.mjs"))
    out = subprocess.run(["node", "loquat-greedy.mjs", model, prompts, str(TOKENS), str(CONTEXT)], cwd=peer,
                         capture_output=True, text=True)
    if out.returncode != 0:
        raise SystemExit(f"node-llama-cpp with {model}:\n{out.stdout}{out.stderr}")
    return json.loads(out.stdout.splitlines()[-1])


# How many of the peer's tokens Loquat would have taken, the largest gap, and whether the texts' tokens are the same.
def judged(server, answers):
    same_tokens, alike, most = True, 0, 0.0
    for text, answer in zip(PROMPTS, answers):
        same_tokens = same_tokens and server.tokens(text) == answer["prompt"]
        gaps = server.gaps(answer["prompt"] + answer["reply"])[-TOKENS:]
        alike += sum(gap == 0 for gap in gaps)
        most = max([most, *gaps])
    return same_tokens, alike, most


def compare(arguments, folder, name, kind, prompts):
    def models(*words):
        subprocess.run([arguments.loquat, "models", *words], check=True, capture_output=True)

    source, model, plain, back = (os.path.join(folder, part) for part in ("hf", kind + ".gguf", kind + "-f32.gguf", kind))
    models("convert", source, "--to", model, "--dtype", kind)
    models("convert", model, "--to", plain, "--dtype", "f32")
    models("import", model, "--out", back, "--dtype", "f32")
    server = Server(arguments.loquat, back)
    answers = ask_peer(arguments.peer, model, prompts)
    same_tokens, alike, gap = judged(server, answers)
    _, plain_alike, plain_gap = judged(server, ask_peer(arguments.peer, plain, prompts))
    server.close()
    every, kinds = TOKENS * len(PROMPTS), len({token for answer in answers for token in answer["reply"]})
    print(f"{name:14} {kind:5} {'same' if same_tokens else 'OTHER':6} {alike:3} of {every}  {gap:6.3f}   "
          f"{plain_alike:3} of {every}  {plain_gap:6.3f}   {kinds:5}", flush=True)
    return same_tokens and plain_gap <= arguments.most_gap


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="a folder in which node-llama-cpp is installed")
    parser.add_argument("--bpe", required=True, help="a folder with a byte-level tokenizer.json")
    parser.add_argument("--spm", required=True, help="a folder with a tokenizer.model")
    parser.add_argument("--loquat", default="build/release/loquat")
    parser.add_argument("--only", default="", help="models whose names have this in them")
    parser.add_argument("--types", nargs="+", choices=["f32", "f16", "bf16", "q8_0"], default=["f16", "bf16", "q8_0"])
    parser.add_argument("--most-gap", type=float, default=0.02)
    arguments = parser.parse_args()
    vocabularies = {"bpe": arguments.bpe, "spm": arguments.spm}
    good = True
    print(f"{'model':14} {'type':5} {'tokens':6} alike         gap   as f32: alike  gap   kinds of tokens")
    for name, (kind, layers, tokenizer, tied, more) in MODELS.items():
        if arguments.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            prompts = os.path.join(folder, "prompts.json")
            with open(prompts, "w") as file:
                json.dump(PROMPTS, file)
            vocabulary = 49152 if tokenizer == "bpe" else 32000
            write_folder(os.path.join(folder, "hf"), config_of(kind, layers, vocabulary, tied, more),
                         vocabularies[tokenizer])
            for weights in arguments.types:
                good = compare(arguments, folder, name, weights, prompts) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
