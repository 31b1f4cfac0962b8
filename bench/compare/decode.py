#!/usr/bin/env python3
"""Loquat's batched decoding beside llama.cpp's, in turn, in one run: ratios of medians.

    apt install python3-numpy
    bench/compare/decode.py --llama llama.cpp/build/bin/llama-batched-bench [--params 26m 134m] [--types q8_0 bf16]
                            [--weights bf16 int8] [--sequences 1 32 256] [--rounds 5]
    bench/compare/decode.py --peer PEER ...     a folder with npm's node-llama-cpp instead (prefill.py)

Writes models of Llama's architecture with random weights as GGUF files of the sizes that `loquat bench decode --params
NAME` has. Both generate 64 tokens after a prompt of 128 that all sequences share. Loquat and node-llama-cpp sample their
tokens; llama-batched-bench takes the tokens as given.
"""
import argparse
import json
import os
import shutil
import statistics
import struct
import subprocess
import tempfile

import numpy

PROMPT, REPLY = 128, 64
SHAPES = {  # layers, width, heads, key-value heads, head, inner, vocabulary, context, tied
    "26m": (8, 512, 8, 4, 64, 1280, 8192, 1024, True),
    "134m": (30, 576, 9, 3, 64, 1536, 49152, 2048, True),
    "1.1b": (22, 2048, 32, 4, 64, 5632, 32000, 2048, False),
}
F32, Q8_0, BF16 = 0, 8, 30  # GGUF's numbers for the types of tensors
TYPES = {"q8_0": Q8_0, "bf16": BF16}
U32, INT, FLOAT, STRING, ARRAY = 4, 5, 6, 8, 9  # and for those of metadata


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    packed = text(value) if kind == STRING else struct.pack("<f" if kind == FLOAT else "<I", value)
    return text(key) + struct.pack("<I", kind) + packed


def array(key, kind, values):
    packed = [text(value) if kind == STRING else struct.pack("<f" if kind == FLOAT else "<i", value) for value in values]
    return text(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + b"".join(packed)


# Tokens of no meaning, for programs that want some: bytes, then numbered words.
def token_entries(vocabulary):
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [f"word{i}" for i in range(vocabulary - len(tokens))]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (vocabulary - 259)  # unknown, control, byte, normal
    return [entry("tokenizer.ggml.model", STRING, "llama"), array("tokenizer.ggml.tokens", STRING, tokens),
            array("tokenizer.ggml.scores", FLOAT, [0.0] * vocabulary), array("tokenizer.ggml.token_type", INT, kinds),
            entry("tokenizer.ggml.bos_token_id", U32, 1), entry("tokenizer.ggml.eos_token_id", U32, 2)]


def random_matrix(rng, rows, cols, kind):
    if kind == BF16:
        values = (rng.standard_normal((rows, cols)) * 0.02).astype(numpy.float32)
        return (values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
    blocks = numpy.empty((rows * cols // 32, 34), numpy.uint8)  # a float16 scale and 32 bytes
    blocks[:, :2] = numpy.frombuffer(numpy.float16(0.02 / 60).tobytes(), numpy.uint8)
    blocks[:, 2:] = rng.integers(-100, 101, (rows * cols // 32, 32), numpy.int8).view(numpy.uint8)
    return blocks.tobytes()


def tensors_of(shape):
    layers, width, heads, kv_heads, head, inner, vocabulary, _, tied = shape
    yield "token_embd.weight", vocabulary, width
    for i in range(layers):
        for name, rows, cols in (("attn_norm", 0, width), ("attn_q", heads * head, width), ("attn_k", kv_heads * head, width),
                                 ("attn_v", kv_heads * head, width), ("attn_output", width, heads * head),
                                 ("ffn_norm", 0, width), ("ffn_gate", inner, width), ("ffn_up", inner, width),
                                 ("ffn_down", width, inner)):
            yield f"blk.{i}.{name}.weight", rows, cols
    yield "output_norm.weight", 0, width
    if not tied:
        yield "output.weight", vocabulary, width


def write_model(path, shape, kind, with_tokens=False):
    layers, width, heads, kv_heads, head, inner, vocabulary, context, _ = shape
    rng = numpy.random.default_rng(1)
    metadata = [entry("general.architecture", STRING, "llama"), entry("general.name", STRING, "random"),
                entry("llama.context_length", U32, context), entry("llama.embedding_length", U32, width),
                entry("llama.block_count", U32, layers), entry("llama.feed_forward_length", U32, inner),
                entry("llama.attention.head_count", U32, heads), entry("llama.attention.head_count_kv", U32, kv_heads),
                entry("llama.attention.layer_norm_rms_epsilon", FLOAT, 1e-5), entry("llama.rope.dimension_count", U32, head),
                entry("llama.rope.freq_base", FLOAT, 10000.0), entry("llama.vocab_size", U32, vocabulary),
                *(token_entries(vocabulary) if with_tokens else [entry("tokenizer.ggml.model", STRING, "no_vocab")])]
    infos, data = [], []
    at = 0
    for name, rows, cols in tensors_of(shape):
        if rows == 0:
            infos.append(text(name) + struct.pack("<IQIQ", 1, cols, F32, at))
            piece = numpy.ones(cols, numpy.float32).tobytes()
        else:
            infos.append(text(name) + struct.pack("<IQQIQ", 2, cols, rows, kind, at))
            piece = random_matrix(rng, rows, cols, kind)
        piece += b"\0" * (-len(piece) % 32)
        data.append(piece)
        at += len(piece)
    header = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(metadata)) + b"".join(metadata) + b"".join(infos)
    with open(path, "wb") as file:
        file.write(header + b"\0" * (-len(header) % 32))
        for piece in data:
            file.write(piece)


def llama_tokens_per_second(arguments, model, sequences):
    context = PROMPT + sequences * REPLY
    out = subprocess.run(
        [arguments.llama, "-m", model, "-c", str(context), "-b", "2048", "-ub", "512", "-npp", str(PROMPT), "-ntg", str(REPLY),
         "-npl", str(sequences), "-pps", "-t", str(arguments.threads), "--output-format", "jsonl"],
        check=True, capture_output=True, text=True)
    for line in (out.stdout + out.stderr).splitlines():
        if line.startswith("{") and "speed_tg" in line:
            return json.loads(line)["speed_tg"]
    raise SystemExit(f"{arguments.llama} printed no figure:\n{out.stdout}{out.stderr}")


def node_tokens_per_second(arguments, model, sequences, vocabulary):
    script = os.path.join(arguments.peer, "loquat-decode.mjs")
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "decode.mjs"), script)
    numbers = [sequences, PROMPT, REPLY, arguments.threads, vocabulary]
    out = subprocess.run(["node", os.path.basename(script), model, *map(str, numbers)], cwd=arguments.peer, check=True,
                         capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[-1])["tokens_per_second"]


def loquat_tokens_per_second(arguments, params, sequences, weights):
    out = subprocess.run(
        [arguments.loquat, "bench", "decode", "--params", params, "--batch", str(sequences), "--weights", weights,
         "--threads", str(arguments.threads), "--seconds", "1", "--json"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)["tokens_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer = parser.add_mutually_exclusive_group(required=True)
    peer.add_argument("--llama", help="llama-batched-bench")
    peer.add_argument("--peer", help="a folder in which node-llama-cpp is installed")
    parser.add_argument("--loquat", default="build/release/loquat")
    parser.add_argument("--params", nargs="+", choices=SHAPES, default=["26m", "134m"])
    parser.add_argument("--types", nargs="+", choices=TYPES, default=["q8_0"])
    parser.add_argument("--weights", nargs="+", choices=["bf16", "int8", "int4"], default=["bf16"])
    parser.add_argument("--sequences", nargs="+", type=int, default=[32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads, {arguments.rounds} rounds; tokens/s in all, medians (lowest to highest)")
    with tempfile.TemporaryDirectory() as folder:
        for params in arguments.params:
            models = {}
            for kind in arguments.types:
                models[kind] = os.path.join(folder, f"{params}-{kind}.gguf")
                write_model(models[kind], SHAPES[params], TYPES[kind], with_tokens=arguments.peer is not None)
            for sequences in arguments.sequences:
                seen = {}
                for _ in range(arguments.rounds):
                    for weights in arguments.weights:
                        seen.setdefault(("Loquat", weights), []).append(
                            loquat_tokens_per_second(arguments, params, sequences, weights))
                    for kind, model in models.items():
                        rate = (node_tokens_per_second(arguments, model, sequences, SHAPES[params][6]) if arguments.peer
                                else llama_tokens_per_second(arguments, model, sequences))
                        seen.setdefault(("llama.cpp", kind), []).append(rate)
                medians = {name: statistics.median(values) for name, values in seen.items()}
                for (program, kind), values in seen.items():
                    ratios = "" if program == "Loquat" else "   Loquat / llama.cpp: " + ", ".join(
                        f"{w} {medians['Loquat', w] / medians[program, kind]:.2f}" for w in arguments.weights)
                    print(f"{params:5} {sequences:4} sequences  {program:10} {kind:5} {medians[program, kind]:8.0f}   "
                          f"({min(values):.0f} to {max(values):.0f}){ratios}")


if __name__ == "__main__":
    main()
