"""Collect, filter, export, fine-tune: the whole way, with a tiny random model on the CPU.

pip install 'ise-env[hf]' trl; python examples/finetune.py

Put a real model and its tokenizer in the place of the tiny ones, and nothing else changes.
"""

import tempfile
from pathlib import Path

import datasets
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from trl import SFTConfig, SFTTrainer
from trl.chat_template_utils import qwen3_chat_template

from ise_env import sample
from ise_env.rollout.export.formats import format_of
from ise_env.rollout.export.selection import Selection
from ise_env.rollout.export.source import Source
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.session import Request, collect


def tiny_tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 1,000 pieces with Qwen3's chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=1_000,
            special_tokens=special,
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = qwen3_chat_template
    return fast


with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    intents = root / "intents.jsonl"
    short = [intent for intent in sample(60, seed=2) if intent.complexity == "simple"][:6]
    intents.write_text("".join(f"{intent.model_dump_json()}\n" for intent in short))
    config = {"agent": "faulty", "tools": ("core",)}
    collect(Request(out=root / "run", config=config, intents=intents), NoDisplay())

    hf = format_of("hf")
    chosen = Selection(success=True, who="scripted")
    report = hf.write(Source([root / "run"], chosen), root / "data", hf.shape)
    print(f"{report.written} successful episodes exported, {report.left_out.total()} left out")

    loaded = datasets.load_dataset(str(root / "data"), cache_dir=str(root / "cache"))
    data = datasets.concatenate_datasets(list(loaded.values()))
    lengths = [len(row["messages"]) for row in data]
    data = data.select(sorted(range(len(data)), key=lengths.__getitem__)[:2])  # an example is short
    tokenizer = tiny_tokenizer([str(row["messages"]) for row in data])
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=65_536,
        )
    )
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(root / "model"),
            assistant_only_loss=True,  # neither the simulated user nor tool results are learnt
            max_length=None,
            max_steps=3,
            per_device_train_batch_size=1,
            learning_rate=1e-2,
            report_to=[],
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
        ),
        train_dataset=data.select_columns(["messages", "tools"]),
        processing_class=tokenizer,
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print("loss:", " -> ".join(f"{float(loss):.3f}" for loss in losses))
