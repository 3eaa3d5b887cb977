"""Conversations in PML's role markers, and the text that each model's chat template makes of them.

Used by tokenizer_oracle.py, which adds the ids. The strings are those of the models, written down here
a second time on purpose: the project's own are compared with them.
"""

MARKERS = ("<system>", "</system>", "<system/>", "<user>", "</user>", "<assistant>", "</assistant>")
CHATML = ("<|im_start|>system\n", "<|im_end|>\n", "", "<|im_start|>user\n",
          "<|im_end|>\n<|im_start|>assistant\n", "", "<|im_end|>\n")


def header(role):
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


TEMPLATES = {
    "llama2": ("<s> [INST] <<SYS>>\n", "<</SYS>>\n\n", "<s> [INST] ", "", "[/INST]", "", "</s><s> [INST] "),
    "falcon": ("", "\n\n", "", "User: ", "\n\nAssistant:", " ", "\n\n"),
    "mpt": CHATML,
    "smollm2": CHATML,
    "qwen2": CHATML,
    "llama3": ("<|begin_of_text|>" + header("system"), "<|eot_id|>", "<|begin_of_text|>", header("user"),
               "<|eot_id|>" + header("assistant"), "", "<|eot_id|>"),
}
TURNS = (
    ("S", "U", "R"),
    ("You are a helpful assistant.", "What is the capital of France?", "The capital of France is Paris."),
    ("Be brief.", " And 12345 + 30?\n", "12375"),
    ("", "\u4f60\u597d, comment \u00e7a va?", "\U0001f44d tr\u00e8s bien \u2014 \u0661\u0662\u00b2"),
    ("Answer in JSON.\n\n", "def f(x):\n    return  x", "```json\n{\"a\": [1, 2.50]}\n```"),
    ("   spaced   ", "  lead and trail  ", "\t R \n"),
)
SEVERAL = "".join(f"<user>{user}</user><assistant>{reply}</assistant>" for _, user, reply in TURNS[1:4])


def cases():
    """(kind, markup): each markup is one text."""
    for system, user, reply in TURNS:
        begin = f"<system>{system}</system>"
        yield "conversation", f"{begin}<user>{user}</user><assistant>{reply}</assistant>"
        yield "no system", f"<system/><user>{user}</user><assistant>{reply}</assistant>"
        yield "question", f"{begin}<user>{user}</user>"
        # A schema that opens what a prompt closes: two texts.
        yield "unbalanced", f"{begin}<user>{user}"
        yield "unbalanced", f"{reply}</user><assistant>"
        yield "unbalanced", f"{reply}</assistant><user>{user}"
    yield "several turns", SEVERAL
    yield "several turns", f" first</user><assistant>ok</assistant>{SEVERAL}<user>last</user>"


def expand(name, markup):
    for marker, text in zip(MARKERS, TEMPLATES[name]):
        markup = markup.replace(marker, f"\x00{text}")  # no marker arises from what replaces another
    return markup.replace("\x00", "")
