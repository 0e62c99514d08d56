"""An export under TRL's SFTTrainer: what is learnt, token by token."""

from __future__ import annotations

import pytest

from ise_env.intents.sampler import sample
from ise_env.rollout.collector import Pace
from ise_env.rollout.export.formats import format_of
from ise_env.rollout.export.selection import Selection
from ise_env.rollout.export.source import Source
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.session import Request, collect

pytestmark = pytest.mark.slow

EXAMPLE = '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
"""A call that the template itself shows in the system prompt."""


@pytest.fixture(scope="module")
def libraries():
    for name in ("torch", "transformers", "datasets", "trl", "tokenizers"):
        pytest.importorskip(name, reason=f"{name} is not installed: the extra test-train has it")


@pytest.fixture(scope="module")
def run(libraries, tmp_path_factory, local_backend):
    """Short episodes with few tools: a small machine trains on them in seconds."""
    root = tmp_path_factory.mktemp("short")
    short = [i for i in sample(40, 11) if i.complexity == "simple"][:3]
    (root / "intents.jsonl").write_text("".join(f"{i.model_dump_json()}\n" for i in short))
    config = {"agent": "oracle", "tools": ("core",)}
    request = Request(
        out=root / "run", config=config, intents=root / "intents.jsonl", pace=Pace(2), seal=False
    )
    assert collect(request, NoDisplay()).complete
    return root / "run"


@pytest.fixture(scope="module")
def tokenizer(libraries, run):
    """A byte-level tokenizer made here, with Qwen3's stock chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast
    from trl import chat_template_utils

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1_000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    (shard,) = (run / "shards").iterdir()
    bare.train_from_iterator([shard.read_text()], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = chat_template_utils.qwen3_chat_template
    return tokenizer


@pytest.fixture(scope="module")
def trainer(libraries, run, tokenizer, tmp_path_factory):
    """TRL's trainer over the Parquet export, with a random model of a few thousand weights."""
    import datasets
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM
    from trl import SFTConfig, SFTTrainer

    tmp = tmp_path_factory.mktemp("sft")
    form = format_of("hf")
    form.write(Source([run], Selection(success=True)), tmp / "hf", form.shape)
    splits = datasets.load_dataset(str(tmp / "hf"), cache_dir=str(tmp / "cache"))
    data = datasets.concatenate_datasets(list(splits.values()))
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=65_536,
    )
    data = data.select(sorted(range(len(data)), key=lambda i: len(str(data[i]["messages"])))[:2])
    trainer = SFTTrainer(
        model=Qwen3ForCausalLM(config),
        args=SFTConfig(
            output_dir=str(tmp / "out"),
            assistant_only_loss=True,
            max_length=None,
            max_steps=2,
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
    return trainer, data


def test_only_the_assistant_is_learnt_token_by_token(trainer, tokenizer):
    sft, data = trainer
    assert len(sft.train_dataset) == len(data) == 2
    for row, encoded in zip(data, sft.train_dataset, strict=True):
        learnt, given = _spans(encoded, tokenizer)
        said = [m for m in row["messages"] if m["role"] == "assistant"]
        assert len(learnt) == len(said)
        for span, message in zip(learnt, said, strict=True):
            assert message["content"] in span
            assert span.count("<tool_call>") == len(message.get("tool_calls") or ())
            for call in message.get("tool_calls") or ():
                assert f'"name": "{call["function"]["name"]}"' in span
            assert span.rstrip("\n").endswith("<|im_end|>")
            assert "<|im_start|>" not in span
        # Everything else is context: each piece is there, and none of it is learnt.
        context = "".join(given)
        for message in row["messages"]:
            if message["role"] != "assistant":
                assert message["content"] in context
        assert "<tool_call>\n{" not in context.replace(EXAMPLE, "")


def test_the_mask_covers_exactly_the_generation(trainer, tokenizer):
    """The pieces in their order give back the whole text of the template."""
    sft, data = trainer
    for row, encoded in zip(data, sft.train_dataset, strict=True):
        text = sft.processing_class.apply_chat_template(
            row["messages"],
            tools=row["tools"],
            tokenize=False,
            chat_template=sft.chat_template,
        )
        assert tokenizer.decode(encoded["input_ids"]) == text


def test_it_trains(trainer):
    sft, _ = trainer
    sft.train()
    losses = [entry["loss"] for entry in sft.state.log_history if "loss" in entry]
    assert len(losses) == 2
    assert losses[1] < losses[0]


def _spans(encoded, tokenizer):
    """Texts of the masked and of the unmasked stretches."""
    learnt, given, held, state = [], [], [], None
    masks = [label != -100 for label in encoded["labels"]]
    for token, mask in [*zip(encoded["input_ids"], masks, strict=True), (None, None)]:
        if mask != state and held:
            (learnt if state else given).append(tokenizer.decode(held))
            held = []
        state = mask
        held.append(token)
    return learnt, given
