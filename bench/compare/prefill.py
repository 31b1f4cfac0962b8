#!/usr/bin/env python3
"""Reading a prompt of 512 tokens: Loquat beside the llama.cpp that npm's node-llama-cpp ships, in turn, in one run.

    apt install python3-numpy; mkdir peer && cd peer && npm install node-llama-cpp
    bench/compare/prefill.py --peer peer [--params 26m 134m] [--types q8_0 bf16] [--weights bf16 int8] [--rounds 5]

The models have Llama's architecture and random weights (decode.py writes them).
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile

from decode import SHAPES, TYPES, write_model

PROMPT = 512


def peer_tokens_per_second(arguments, model, vocabulary):
    script = os.path.join(arguments.peer, "loquat-prefill.mjs")
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "prefill.mjs"), script)
    out = subprocess.run(["node", os.path.basename(script), model, str(PROMPT), str(arguments.threads), str(vocabulary)],
                         cwd=arguments.peer, check=True, capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[-1])["tokens_per_second"]


def loquat_tokens_per_second(arguments, params, weights):
    out = subprocess.run(
        [arguments.loquat, "bench", "prefill", "--params", params, "--weights", weights, "--batch", "1", "--threads",
         str(arguments.threads), "--seconds", "1", "--json"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)["tokens_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="a folder in which node-llama-cpp is installed")
    parser.add_argument("--loquat", default="build/release/loquat")
    parser.add_argument("--params", nargs="+", choices=SHAPES, default=["26m", "134m"])
    parser.add_argument("--types", nargs="+", choices=TYPES, default=["q8_0", "bf16"])
    parser.add_argument("--weights", nargs="+", choices=["bf16", "int8", "int4"], default=["bf16", "int8"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads, {arguments.rounds} rounds; prompt tokens/s, medians (lowest to highest)")
    with tempfile.TemporaryDirectory() as folder:
        for params in arguments.params:
            seen = {}
            models = {kind: os.path.join(folder, f"{params}-{kind}.gguf") for kind in arguments.types}
            for kind, model in models.items():
                write_model(model, SHAPES[params], TYPES[kind], with_tokens=True)
            for _ in range(arguments.rounds):
                for weights in arguments.weights:
                    seen.setdefault(("Loquat", weights), []).append(loquat_tokens_per_second(arguments, params, weights))
                for kind, model in models.items():
                    seen.setdefault(("llama.cpp", kind), []).append(
                        peer_tokens_per_second(arguments, model, SHAPES[params][6]))
            medians = {name: statistics.median(values) for name, values in seen.items()}
            for (program, kind), values in seen.items():
                ratios = "" if program == "Loquat" else "   Loquat / llama.cpp: " + ", ".join(
                    f"{w} {medians['Loquat', w] / medians[program, kind]:.2f}" for w in arguments.weights)
                print(f"{params:5} {program:10} {kind:5} {medians[program, kind]:8.0f}   "
                      f"({min(values):.0f} to {max(values):.0f}){ratios}")


if __name__ == "__main__":
    main()
