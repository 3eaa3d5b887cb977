#!/usr/bin/env python3
"""Writes tests/golden/text: what transformers' tokenizers make of difficult texts.

Runs in the environment that `tools/bootstrap --oracle` makes and downloads nothing:

    $PROMPTCACHE_DEPS/oracle/bin/python tools/oracle/tokenizer_oracle.py --tokenizers DIR --model GGUF

DIR holds {smollm2,falcon-7b}/tokenizer.json, mpt-7b/tokenizer.recovered.json,
llama2/tokenizer.fixed.json and {qwen2,llama3.2}/{vocab.json,merges.txt}, and beside it is weights/llama/stories260K/tok512.bin.
NAME.json has, for each text, its ids with special tokens taken as plain text and, where they differ,
with special tokens recognised; `lossy` marks a text that its ids do not decode to. Then ids of parts of
characters and the text they decode to. chats.json has conversations, written out by the chat template of
the model file GGUF, roles.json conversations in PML's role markers for each tokenizer. words.json has
digests of how each pre-tokenizer cuts texts made of every code point, nfc.json of their normal forms.
"""

import argparse
import hashlib
import json
import os
import pathlib
import struct
import unicodedata

os.environ["HF_HUB_OFFLINE"] = "1"

import gguf  # noqa: E402
import transformers  # noqa: E402
import roles_oracle  # noqa: E402
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers  # noqa: E402

NAMES = ("smollm2", "qwen2", "llama3", "falcon", "mpt", "llama2", "stories260k")
ROOT = pathlib.Path(__file__).resolve().parents[2]
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

TEXTS = {
    "empty": "",
    "one space": " ",
    "spaces": "          ",
    "spaces inside": "a  b   c    d     e",
    "spaces around": "   lead and trail   ",
    "tabs": "\tone\t\ttwo\t \tthree \t",
    "line feeds": "\n\na\n\n\nb \n c\n",
    "carriage returns": "one\r\ntwo\r\n\r\nthree\rfour\n\r",
    "all ASCII spaces": "a\tb\nc\vd\fe\rf g",
    "Unicode spaces": "a\u00a0b\u2003c\u2003\u2003d\u3000e\u2028f\u2029g\u202fh\u1680i\u205fj",
    "next line": "a\u0085b\u0085\u0085 c",
    "not spaces": "a\u180eb\u200bc\ufeffd\u2060e \u180e \u200b x",
    "control characters": "a\x00b\x01\x02c\x1b[0md\x7f\x1c\x1d\x1e\x1fe",
    "contractions": "I'm, he's, they're, we've, she'll, I'd, can't; I'M HE'S THEY'RE 'sir 'tis don''t",
    "contractions by case folding": "x'\u017f y'\u017fz \u212a'M'\u017f'T",
    "curly contractions": "I\u2019m he\u2019s can\u2019t \u2018quoted\u2019",
    "digits": "0 1 12 123 1234 12345 1234567890",
    "numbers": "3.14159 -1,000,000.00 1e-5 0xDEADBEEF 1st 2nd 50% $9.99 1/2 v1.2.3",
    "other digits": "\u0661\u0662\u0663 \u0967\u0968\u0969 \uff11\uff12\uff13 \u2160\u2161 \u00bd\u00be\u00b2 \u3007 \u2460\u2461",
    "digits and letters": "abc123def456 \u4e2d1\u65872 x\u0661y",
    "punctuation": "!!!??? ... --- *** ((())) [[]] {{}} <<>> @#$%^&*_+=|\\/~`",
    "Chinese": "\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u5427\u3002",
    "Japanese": "\u541b\u306e\u540d\u306f\u3002\u30b3\u30f3\u30d4\u30e5\u30fc\u30bf\uff01 \uff76\uff80\uff76\uff85",
    "Korean": "\uc548\ub155\ud558\uc138\uc694, \uc138\uacc4! \u1112\u1161\u11ab",
    "Arabic": "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u060c \u0643\u064a\u0641 \u062d\u0627\u0644\u0643\u061f \u0661\u0662\u0663",
    "Arabic with marks": "\u0628\u0650\u0633\u0652\u0645\u0650 \u0627\u0644\u0644\u0651\u064e\u0647\u0650",
    "Hebrew": "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u05e2\u05d5\u05dc\u05dd",
    "Hindi": "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "Thai": "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "Greek and Cyrillic": "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u043f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0407\u0436\u0430\u043a",
    "Latin": "\u00c4pfel, na\u00efve fa\u00e7ade, stra\u00dfe, \u0130stanbul, \u01c5 \ufb01n \u1e9e",
    "mathematics": "\u2200x\u2208\u211d: \u2203y\u2260x \u222b\u2080^\u221e e^{-x\u00b2}dx \U0001d54f\U0001d7d9",
    "emoji": "\U0001f600\U0001f602 ok \U0001f44d\U0001f3fd\U0001f44d\U0001f3ff! \u2764\ufe0f \U0001f1e9\U0001f1ea",
    "joined emoji": f"{FAMILY} and {FAMILY}{FAMILY} \U0001f3f4\u200d\u2620\ufe0f",
    "direction marks": "\u202eabc\u202c \u200fx\u200e \u2066y\u2069",
    "planes 4 to 15": "a\U00050000b\U000a0000c \U000f1234",
    "last code points": "\U0010fffd \U0010ffff \uffff \ufffd \ue000 \U000f0000 \U00012345 \U0002a6d6",
    "code": "def f(x: int) -> str:\n    if x < 10:\n\treturn f\"{x!r}\"  # ok\n\n\nprint(f(3))\n",
    "more code": "#include <vector>\nint main() { std::vector<int> v{1,2,3}; for (auto& x : v) x += 0xFF; }\r\n",
    "JSON": "{\"a\": [1, 2.5, null, true], \"b\\n\": \"\\u00e9\", \"c\": {}}",
    "address": "https://example.org/a/b?q=1&r=%20#top mailto:x.y@z.example",
    "not normal": "e\u0301a\u0323\u0302 A\u030a \u212b\u2126 \u1112\u1161\u11ab q\u0301\u0323\u0301 \u0958 \u2adc \U0002f800",
    "marks out of order": "a\u0301\u0323\u0301\u0323 \u0344 \u0340\u0341x\u0300<|im_end|>\u0301 1\u0338",
    "marks after spaces": " \u0301 \u0323\u0301  \u0308\n\u0301",
    "a tag and entity": "<system>be &lt;brief&gt;</system>",
    "long a": "a" * 700,
    "long spaces": " " * 700 + "x",
    "long digits": "7" * 300,
    "long line feeds": "\n" * 300 + "\n \n",
    "long punctuation": "=" * 300 + "-" * 300,
    "long mixed": "ab" * 200 + " \u00e9" * 100 + "\u4e2d" * 200,
    "special alone": "{0}",
    "special inside": "say {0} and {1}{1} or {0}",
    "special almost": "<|im_start <|im_end|>x<| im_end |> < |eot_id|> <|im_end|<|endoftext|>",
    "special next to space": " {0} \n{1}\n user {0}",
    "turns": "{0}user\nHi<|im_end|>\n{0}assistant\n",
}
# Pieces of characters, and bytes that no character has: (bytes, ...) each one token.
BYTES = {
    "euro in three": b"\xe2\x82\xac",
    "euro without its end": b"\xe2\x82",
    "euro cut short by a letter": b"\xe2\x82a",
    "continuation alone": b"\x80\xbfx",
    "four bytes cut after three": b"\xf0\x9f\x98",
    "four bytes cut after three, then another": b"\xf0\x9f\x98\xf0\x9f\x98\x80",
    "surrogate": b"\xed\xa0\x80z",
    "overlong": b"\xc0\xaf\xe0\x80\xafz",
    "beyond the last": b"\xf4\x90\x80\x80z",
    "never in UTF-8": b"\xfe\xffz",
    "two beginnings": b"\xe2\xe2\x82\xac",
}
CHATS = (
    [["system", "Be brief."], ["user", "Hello!"]],
    [["system", "Be brief."], ["user", "Hello!"], ["assistant", "Hi."], ["user", " And 12 + 30?\n"]],
    [["system", ""], ["user", "\u4f60\u597d"], ["assistant", "\U0001f44d"]],
)
RANGES = ((0, 0x32400), (0xE0000, 0xE0200), (0x10FF00, 0x110000))
BLOCK = 4096


def from_file(path):
    """With special tokens recognised as they are written: a file that has them normalised would only find
    them where its normalizer puts a space."""
    source = json.loads(path.read_text(encoding="utf-8"))
    for added in source["added_tokens"]:
        added["normalized"] = False
    return Tokenizer.from_str(json.dumps(source))


def from_vocabulary(folder, pattern, ignore_merges, specials):
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    return tokenizer


def from_scores(path):
    """Of a file of llama2.c: the longest length, then score, length and bytes of each token. Its merges are all
    pairs that make a token, best score first, as transformers derives them from SentencePiece's vocabularies."""
    data, tokens = path.read_bytes(), []
    at = 4
    while at < len(data):
        score, size = struct.unpack_from("<fi", data, at)
        tokens.append((data[at + 8:at + 8 + size].decode().replace(" ", "\u2581").strip("\n"), score))
        at += 8 + size
    vocabulary = {token: id for id, (token, _) in enumerate(tokens)}
    merges = [(token[:cut], token[cut:]) for token, _ in sorted(tokens[259:], key=lambda one: -one[1])
              for cut in range(1, len(token)) if token[:cut] in vocabulary and token[cut:] in vocabulary]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token, _ in tokens[:3]])
    return tokenizer


def load(name, folder):
    """The tokenizer, and two of its special tokens."""
    if name == "smollm2":
        return from_file(folder / "smollm2/tokenizer.json"), ["<|im_start|>", "<|im_end|>"]
    if name == "falcon":
        return from_file(folder / "falcon-7b/tokenizer.json"), ["<|endoftext|>", ">>ANSWER<<"]
    if name == "mpt":
        return from_file(folder / "mpt-7b/tokenizer.recovered.json"), ["<|endoftext|>", "<|padding|>"]
    if name == "llama2":
        return from_file(folder / "llama2/tokenizer.fixed.json"), ["<s>", "</s>"]
    if name == "stories260k":
        return from_scores(folder.parent / "weights/llama/stories260K/tok512.bin"), ["<s>", "</s>"]
    if name == "qwen2":
        specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        tokenizer = from_vocabulary(folder / "qwen2", QWEN2, False, specials)
        tokenizer.normalizer = normalizers.NFC()
        return tokenizer, specials[1:]
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
                "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>",
                "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"]
    return from_vocabulary(folder / "llama3.2", LLAMA3, True, specials), [specials[0], specials[-1]]


def ids(tokenizer, text, specials):
    tokenizer.encode_special_tokens = not specials
    return tokenizer.encode(text, add_special_tokens=False).ids


def alphabet():
    """GPT-2's characters by byte, as byte-level vocabularies write them."""
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in itself]
    return {**{b: chr(b) for b in itself}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def texts(tokenizer, written):
    cases = []
    for name, text in TEXTS.items():
        for i, token in enumerate(written):
            text = text.replace("{%d}" % i, token)
        case = {"name": name, "text": text, "ids": ids(tokenizer, text, False)}
        with_specials = ids(tokenizer, text, True)
        if with_specials != case["ids"]:
            case["special_ids"] = with_specials
        if tokenizer.decode(case["ids"], skip_special_tokens=False) != text:
            case["lossy"] = True
        cases.append(case)
    return cases


def decoded(tokenizer):
    """Nothing with byte fallback, whose decoder replaces every byte of a damaged character."""
    cases = []
    if tokenizer.token_to_id("<0x0A>") is not None:
        return cases
    for name, data in BYTES.items():
        tokens = [tokenizer.token_to_id(alphabet()[b]) for b in data]
        if None not in tokens:
            cases.append({"name": name, "ids": tokens,
                          "text": tokenizer.decode(tokens, skip_special_tokens=False)})
    return cases


def splitters(folder):
    """By the name that a GGUF file gives the pre-tokenizer."""

    def split(pattern):
        return pre_tokenizers.Split(Regex(pattern), "isolated")

    return {
        "gpt-2": split(GPT2),
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), split(GPT2)]),
        "llama-bpe": split(LLAMA3),
        "qwen2": split(QWEN2),
        "falcon": load("falcon", folder)[0].pre_tokenizer,
    }


def runs_of(codes):
    """[first, last] of the runs of ascending code points."""
    runs = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return runs


def covered():
    return (code for begin, end in RANGES for code in range(begin, end) if not 0xD800 <= code <= 0xDFFF)


def assigned_later():
    """Letters and digits that Unicode 14 does not have: implementations differ on them."""
    assert unicodedata.unidata_version == "14.0.0", "needs the Unicode tables of Python 3.11"
    known = [pre_tokenizers.Split(Regex(r"[\p{L}\p{N}]"), "removed"), pre_tokenizers.Digits(True)]

    def has(character):
        return known[0].pre_tokenize_str(character) and len(known[1].pre_tokenize_str("a" + character)) == 1

    return [code for code in covered() if unicodedata.category(chr(code)) == "Cn" and not has(chr(code))]


def normal_form(code):
    """Of the code point among starters that compose with it and marks that it may move past."""
    text = "{0}e{0}\u0301\u0323{0}\u1100{0}\u1161{0}\u11a8 {0}".format(chr(code))
    return text, normalizers.NFC().normalize_str(text)


def marks_assigned_later():
    """Marks whose order transformers does not know, its tables being of Unicode 9, and what Unicode 14 lacks."""
    later = []
    for code in covered():
        text, peer = normal_form(code)
        category = unicodedata.category(chr(code))
        if category != "Cn" and peer != unicodedata.normalize("NFC", text):
            assert category[0] == "M", hex(code)
            later.append(code)
        elif category == "Cn":
            later.append(code)
    return later


def word_digests(splitter, skipped):
    """By the first code point of a block: BLAKE2b of the byte lengths of all words of all texts."""
    as_bytes = splitter.pre_tokenize_str("\u00e9")[0][0] != "\u00e9"  # a character for each byte
    digests = {}
    for begin, end in RANGES:
        for start in range(begin, end, BLOCK):
            hasher = hashlib.blake2b(digest_size=32)
            for code in range(start, min(start + BLOCK, end)):
                if 0xD800 <= code <= 0xDFFF or code in skipped:
                    continue
                text = "x{0}{0}1{0} {0}.{0}\t{0}'s{0}".format(chr(code))
                for word, (first, last) in splitter.pre_tokenize_str(text):
                    size = len(word) if as_bytes else len(text[first:last].encode())
                    hasher.update(struct.pack("<I", size))
            digests["%06X" % start] = hasher.hexdigest()
    return digests


def nfc(skipped):
    """By the first code point of a block: BLAKE2b of the normal forms of texts made of each code point."""
    digests = {}
    for begin, end in RANGES:
        for start in range(begin, end, BLOCK):
            hasher = hashlib.blake2b(digest_size=32)
            for code in range(start, min(start + BLOCK, end)):
                if not 0xD800 <= code <= 0xDFFF and code not in skipped:
                    hasher.update(normal_form(code)[1].encode())
            digests["%06X" % start] = hasher.hexdigest()
    return digests


def words(folder):
    later = assigned_later()
    skipped = set(later)
    digests = {name: word_digests(one, skipped) for name, one in splitters(folder).items()}
    return {"ranges": RANGES, "block": BLOCK, "assigned_later": runs_of(later), "digests": digests}


def normal_forms():
    later = marks_assigned_later()
    return {"ranges": RANGES, "block": BLOCK, "assigned_later": runs_of(later), "digests": nfc(set(later))}


def chats(folder, model):
    template = gguf.GGUFReader(model).fields["tokenizer.chat_template"].contents()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "smollm2/tokenizer.json"))
    cases = []
    for turns in CHATS:
        messages = [{"role": role, "content": content} for role, content in turns]
        text = fast.apply_chat_template(messages, chat_template=template, tokenize=False,
                                        add_generation_prompt=turns[-1][0] == "user")
        cases.append({"turns": turns, "text": text,
                      "ids": fast.encode(text, add_special_tokens=False)})
    return cases


def roles(tokenizer, name):
    cases = []
    for kind, markup in roles_oracle.cases():
        text = roles_oracle.expand(name, markup)
        cases.append({"kind": kind, "markup": markup, "text": text, "ids": ids(tokenizer, text, True)})
    return cases


def save(path, golden, rowwise):
    sections = []
    for name, value in golden.items():
        if name in rowwise:
            rows = ",\n".join(json.dumps(row) for row in value)
            sections.append(f'"{name}": [\n{rows}\n]')
        else:
            sections.append(f'"{name}": {json.dumps(value)}'.replace('", "', '",\n"'))
    path.write_text("{\n" + ",\n".join(sections) + "\n}\n", encoding="ascii")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizers", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/golden/text")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    conversations = {}
    for name in NAMES:
        tokenizer, written = load(name, arguments.tokenizers)
        golden = {"texts": texts(tokenizer, written), "decoded": decoded(tokenizer)}
        save(arguments.out / f"{name}.json", golden, rowwise=("texts", "decoded"))
        if name != "stories260k":  # knows no conversations
            conversations[name] = roles(tokenizer, name)
        print(f"{name}: {len(golden['texts'])} texts, {len(golden['decoded'])} decoded")
    save(arguments.out / "chats.json", {"chats": chats(arguments.tokenizers, arguments.model)},
         rowwise=("chats",))
    save(arguments.out / "roles.json", conversations, rowwise=tuple(conversations))
    save(arguments.out / "words.json", words(arguments.tokenizers), rowwise=())
    save(arguments.out / "nfc.json", normal_forms(), rowwise=())


if __name__ == "__main__":
    main()
