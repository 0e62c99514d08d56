"""Makes a tiny random Qwen3 and serves it with llama.cpp; run as a program by the tests.

Usage: llama_server.py FOLDER CONTEXT. Prints the base URL once it listens, and serves until its
standard input ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

WIDTH, HEADS, KV_HEADS, HEAD, FEED, LAYERS = 64, 4, 2, 16, 128, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokens() -> list[str]:
    """One token a byte, in GPT-2's printable spelling."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(code) for code in (*printable, *(256 + n for n in range(len(hidden))))]


def write_model(path: Path) -> None:
    """Write the model; the same bytes every time."""
    tokens = [*byte_tokens(), "th", *SPECIAL]
    kinds = [gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * len(SPECIAL)
    out = gguf.GGUFWriter(str(path), "qwen3")
    out.add_name("tiny-random-qwen3")
    out.add_context_length(4096)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(FEED)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(HEAD)
    out.add_value_length(HEAD)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_rope_freq_base(10_000.0)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("qwen2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges(["t h"])
    out.add_eos_token_id(tokens.index("<|im_end|>"))
    out.add_pad_token_id(tokens.index("<|endoftext|>"))
    out.add_add_bos_token(False)
    out.add_vocab_size(len(tokens))
    out.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(0)

    def random(name: str, *shape: int) -> None:
        out.add_tensor(name, rng.normal(0, 0.05, shape).astype(np.float32))

    def ones(name: str, size: int) -> None:
        out.add_tensor(name, np.ones(size, np.float32))

    random("token_embd.weight", len(tokens), WIDTH)
    random("output.weight", len(tokens), WIDTH)
    ones("output_norm.weight", WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for name, size in (("attn", WIDTH), ("ffn", WIDTH), ("attn_q", HEAD), ("attn_k", HEAD)):
            ones(f"{block}.{name}_norm.weight", size)
        random(f"{block}.attn_q.weight", HEADS * HEAD, WIDTH)
        random(f"{block}.attn_k.weight", KV_HEADS * HEAD, WIDTH)
        random(f"{block}.attn_v.weight", KV_HEADS * HEAD, WIDTH)
        random(f"{block}.attn_output.weight", WIDTH, HEADS * HEAD)
        random(f"{block}.ffn_gate.weight", FEED, WIDTH)
        random(f"{block}.ffn_up.weight", FEED, WIDTH)
        random(f"{block}.ffn_down.weight", WIDTH, FEED)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main(folder: str, context: str) -> None:
    """Make, load, serve."""
    path = Path(folder) / "tiny-random-qwen3.gguf"
    write_model(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = int(context)
    params.n_parallel = 2
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cpuparams.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
