#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tokenizers in tokenizers/ and what Hugging Face `tokenizers` says about texts.txt.

Needs: pip install tokenizers==0.23.3
usage: make_fixtures.py
"""
import json
import pathlib
import random

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "tokenizers"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CORPUS = """The quick brown fox jumps over the lazy dog. It isn't what they'd said, I'll say we've done.
def main(argc, argv):\n    return 12345 + 67890  # a comment\n\nfor (int i = 0; i < 10; i++) { print(i); }
Пример текста на русском языке. Ein Beispiel mit Umlauten: Größe, Übung, Straße. Naïve café déjà vu.
日本語のテキスト、漢字とかな。 中文文本示例。 한국어 텍스트. مرحبا بالعالم. שלום עולם. हिन्दी पाठ.
Numbers 1 22 333 4444 55555 3.14159 1,000,000. Emoji 🙂 👩‍👩‍👧 🇫🇷 👍🏽. Maths: ∑ ∫ √ ≈ ≠ → α β γ.
system user assistant message content tool function the and of to in that is was he for it with as his
""".split("\n") * 3
HAND = [
    "", " ", "  ", "a", " a", "a ", "  a  b  ", "\n", "\r\n", "\r\n\r\n  x", "\t\ttab", "Hello, world!",
    "Hello world", "don't I'LL WE'VE he'd 'S 'ſ it'ſ", "1234567890", "1 22 333 4444 55555", "٣٤٥ ½ ² Ⅷ 一二三",
    "na\u00efve caf\u00e9", "nai\u0308ve cafe\u0301", "e\u0301 \u00e9 e\u0302\u0323 \u1ec7 e\u0323\u0302",
    "A\u030a \u00c5 \u212b", "ﬁﬂ ﬀ ㎏ ①", "ÀÉÎ ẞß İıſ",
    "日本語のテキスト", "中文。文本！", "한국어 \u1112\u1161\u11ab\u1100\u116e\u11a8 \u1100\u1161\u11a8", "ひらがなカタカナ", "مرحبا بالعالم ١٢٣", "שָׁלוֹם עולם",
    "हिन्दी क्षत्रिय", "ภาษาไทย", "🙂", "👩‍👩‍👧", "🇫🇷🇩🇪", "👍🏽👍🏿", "a🙂b", "❤️ ❤", "\u200b\u200d\ufeff",
    "\u0000\u0001\u001b", "\x7f\x80\x9f", "a\u00a0b\u00a0 c", "a\u2028b\u2029c", "a\u3000b", "\u180ex\u180e",
    "a\u0085b", "x" * 300, "ab" * 200, " " * 100, " " * 33 + "x", "\n" * 40, "\n \n  \n   x", "a\n\n\nb",
    "   \n  \n x", "foo_bar fooBar FOOBar FooBAR", "C'est l'été d'abord", "https://example.com/a?b=c&d=%20",
    "<s>", "</s>", "a<s>b", " <s> ", "<unk>", "<pad>x", "<|im_start|>user\nhi<|im_end|>\n", "<|im_start|>",
    "<|im_start|><|im_end|>", "<|im_start", "<|eot_id|>", "<|begin_of_text|>a", "<|endoftext|>end",
    "x <mask> y", "x<mask>y", "a\n\t <mask> \n b", "<mask><mask>", " <mask> <mask> ", "word", "sword word words",
    "word.word", "_word", "word\u0663", "word\u0301 x", "KEEP keep Keep", "a KEEP b", "KeEp", "<left> a", "a  <left>",
    "a<right>  b", "  <left><right>  ", "<left>  <left>", "<tok", "<tok>", "<tok>en", "<tok><tok>en", "▁", "▁a ▁",
    "a▁b", "▁▁", "<0x41>", "<0x0A>\n", "Ġ Ċ Â", "¡¢£¤¥", "ÿÀ", "a\u0300\u0316\u0300", "\u0316\u0300a",
    "\u0345\u0f73\u0301", "q\u0307\u0323 q\u0323\u0307", "ᄀ각 각", "\u1e9b\u0323", "\u2126 \u212b \u1f71",
    "\U00011938 \U0001e030 \U00031350 \U0002ebf0", "\u0898a\u0301\u1ac1", "\U000e0001\U000f0000",
    "The quick brown fox jumps over the lazy dog.", "for (int i = 0; i < 10; i++) { print(i); }",
    "I've 100% done 3.14 & more — “quoted” … ‘x’", "a" + "\u0301" * 50, "mixed日本text한글русский",
    "ΑΣ ΑΣ. ΣΑΣ", "DZ Ǆ ǅ ǆ", "!!!???...", "a.b.c", "(a)[b]{c}", "$5 €6 £7 ¥8", "a\\b\\n", "\"'`",
    "tool_call: {\"name\": \"f\", \"arguments\": {\"x\": [1, 2.5, null]}}", "½¾⅓ ²³¹ ₁₂", "Ⅻ ⅻ 〇〡",
]
POOLS = ["abcdefghij ABC 'stmlvd", " \t\n\r\u00a0\u2003\u3000", "0123456789٠١٢½", "éèêëñüßøå\u0301\u0323\u0308\u0327",
         "日本語中文字漢かなカナ한국어", "مرحباשלום", "🙂👩👧\u200d🇫🇷🏽❤\ufe0f", ".,;:!?-_()[]{}<>|/\\@#$%^&*+=~`\"'",
         "▁<>|s/0x4A", "\u0000\u0007\u200b\ufeff\ufffd\u0378\U0010ffff"]


def texts():
    rng = random.Random(20240607)
    result = list(HAND)
    for _ in range(110):
        pools = [rng.choice(POOLS) for _ in range(rng.randint(1, 3))]
        result.append("".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 24))))
    words = ["<mask>", "<left>", "<right>", "word", "KEEP", "<s>", "</s>", "<tok>", "<tok>en", " ", "  ", "\n", "a", "é",
             "<|im_start|>", "the", "1", "."]
    for _ in range(50):
        result.append("".join(rng.choice(words) for _ in range(rng.randint(2, 8))))
    for _ in range(40):
        chars = (chr(rng.choice([rng.randint(0, 0x2FF), rng.randint(0, 0xD7FF), rng.randint(0xE000, 0x323AF)]))
                 for _ in range(rng.randint(1, 10)))
        result.append("".join(chars))
    return result


def flagged():
    return [AddedToken("<mask>", lstrip=True, rstrip=False, special=True, normalized=False),
            AddedToken("word", single_word=True, normalized=False),
            AddedToken("KEEP", single_word=True, normalized=True),
            AddedToken("<left>", lstrip=True, normalized=True),
            AddedToken("<right>", rstrip=True, normalized=False),
            AddedToken("<tok>", normalized=False), AddedToken("<tok>en", normalized=False, special=True)]


def train(tokenizer, size=420, specials=(), alphabet=True):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet else []
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials),
                                  initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_level(pre, normalizer=None, specials=("<|endoftext|>",), **options):
    t = Tokenizer(models.BPE(**options))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    return train(t, specials=specials)


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def bare_bytes():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def gpt2():
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def gpt2_prefix():
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    t.add_tokens(flagged())
    return t


def llama3():
    t = byte_level(pre_tokenizers.Sequence([split(LLAMA3), bare_bytes()]))
    t.add_special_tokens(["<|begin_of_text|>", "<|eot_id|>"])
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A $B",
                                      special_tokens=[("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))])])
    d = json.loads(t.to_str())
    d["model"]["ignore_merges"] = True
    # Whole words that no merge makes.
    for word in ("Ġquick", "jumpsĠover", "Ñģ", "xxxx"):
        if word not in d["model"]["vocab"]:
            top = max(list(d["model"]["vocab"].values()))
            d["model"]["vocab"][word] = top + 1
    top = len(d["model"]["vocab"])
    for token in d["added_tokens"][1:]:
        token["id"] = top
        top += 1
    ids = {x["content"]: x["id"] for x in d["added_tokens"]}
    bos = d["post_processor"]["processors"][1]["special_tokens"]["<|begin_of_text|>"]
    bos["ids"] = [ids["<|begin_of_text|>"]]
    return d


def qwen2():
    t = byte_level(pre_tokenizers.Sequence([split(QWEN2), bare_bytes()]), normalizers.NFC())
    t.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    t.add_tokens(flagged())
    return t


def smollm():
    t = byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]))
    t.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return t


def o200k():
    return byte_level(pre_tokenizers.Sequence([split(O200K), bare_bytes()]))


def deepseek():
    return byte_level(pre_tokenizers.Sequence([
        split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK), bare_bytes()]))


def sentence_piece(d, prefix="▁"):
    """Adds the byte tokens of SentencePiece and renumbers: specials, bytes, the rest."""
    old = d["model"]["vocab"]
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    names += [w for w in sorted(old, key=old.get) if w not in names]
    d["model"].update(vocab={w: i for i, w in enumerate(names)}, unk_token="<unk>", fuse_unk=True,
                      byte_fallback=True)
    for token in d["added_tokens"]:
        token["id"] = d["model"]["vocab"].get(token["content"], token["id"])
    d["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": prefix}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    single = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    d["post_processor"] = {"type": "TemplateProcessing", "single": single,
                           "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    return d


def spm_model(metaspace):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    train(t, specials=["<unk>", "<s>", "</s>"], alphabet=False, size=330)
    t.pre_tokenizer = metaspace
    return t


def llama2():
    t = spm_model(pre_tokenizers.Metaspace())
    d = sentence_piece(json.loads(t.to_str()))
    d["pre_tokenizer"] = None
    d["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    for token in d["added_tokens"]:
        token["normalized"] = token["content"] == "</s>"
    return d


def mistral_first():
    return sentence_piece(json.loads(spm_model(
        pre_tokenizers.Metaspace(prepend_scheme="first", split=False)).to_str()))


def metaspace_old():
    d = sentence_piece(json.loads(spm_model(pre_tokenizers.Metaspace()).to_str()))
    d["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    d["decoder"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    d["model"].update(byte_fallback=False)
    return d


def gemma_like():
    d = sentence_piece(json.loads(spm_model(
        pre_tokenizers.Split(" ", "merged_with_previous")).to_str()))
    d["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    d["decoder"]["decoders"].pop()
    return d


def odd_mix():
    """Everything unusual in one: normalizers, affixes, unknown tokens, all added token flags."""
    t = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([
        normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(),
        normalizers.Replace(Regex(r"[\t\n]+"), " "), normalizers.Replace("q", "")])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_previous"),
        pre_tokenizers.Digits(individual_digits=False)])
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"], show_progress=False,
                                  continuing_subword_prefix="##", end_of_word_suffix="</w>")
    t.train_from_iterator(CORPUS, trainer)
    t.add_tokens(flagged())
    return t


def splits(behavior, invert):
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"(?i)[\saeiou]|\d{2}"), behavior, invert=invert),
        pre_tokenizers.Split(".", "isolated"), pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.Metaspace(prepend_scheme="first")])
    return train(t, specials=["<unk>"], alphabet=False, size=300)


MAKERS = {
    "gpt2": gpt2, "gpt2-prefix": gpt2_prefix, "llama3": llama3, "qwen2": qwen2, "smollm": smollm, "o200k": o200k,
    "deepseek": deepseek, "llama2": llama2, "mistral-first": mistral_first, "metaspace-old": metaspace_old,
    "gemma-like": gemma_like, "odd-mix": odd_mix,
    "split-removed": lambda: splits("removed", False), "split-previous": lambda: splits("merged_with_previous", False),
    "split-next": lambda: splits("merged_with_next", False), "split-contiguous": lambda: splits("contiguous", False),
    "split-inverted": lambda: splits("merged_with_next", True),
}


def main():
    OUT.mkdir(exist_ok=True)
    samples = texts()
    (HERE / "texts.json").write_text(json.dumps(samples, separators=(",", ":")) + "\n")
    for name, maker in MAKERS.items():
        made = maker()
        document = made if isinstance(made, dict) else json.loads(made.to_str())
        t = Tokenizer.from_str(json.dumps(document))
        # `tokenizers` 0.23 decodes normalized added tokens to their normalized form and does not
        # know them as special then; texts are those of earlier versions.
        verbatim = json.loads(json.dumps(document))
        for token in verbatim["added_tokens"]:
            token["normalized"] = False
        back = Tokenizer.from_str(json.dumps(verbatim))
        for token in document["added_tokens"]:
            assert t.token_to_id(token["content"]) == token["id"], (name, token)
        rng = random.Random(name)
        plain, decoded, skipped = [], [], []
        for text in samples:
            ids = t.encode(text, add_special_tokens=False).ids
            plain.append(" ".join(map(str, ids)))
            for keep, into in ((False, decoded), (True, skipped)):
                out = back.decode(ids, skip_special_tokens=keep)
                into.append(None if out == text else out)
        skipped = [None if s == d else (samples[i] if s is None else s)
                   for i, (s, d) in enumerate(zip(skipped, decoded))]
        wild = []
        for _ in range(60):
            ids = [rng.randrange(t.get_vocab_size() + 2) for _ in range(rng.randint(1, 14))]
            if rng.random() < 0.5 and t.token_to_id("<0x41>"):
                ids = [rng.randrange(3, 259) if rng.random() < 0.7 else i for i in ids]
            wild.append({"ids": ids, "text": back.decode(ids, skip_special_tokens=False),
                         "skipped": back.decode(ids, skip_special_tokens=True)})
        expected = {"special": t.encode("a b", add_special_tokens=True).ids, "ids": plain,
                    "decoded": {i: d for i, d in enumerate(decoded) if d is not None},
                    "skipped": {i: d for i, d in enumerate(skipped) if d is not None}, "random": wild}
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        if name == "gpt2":  # the older way to write merges
            document["model"]["merges"] = [" ".join(m) for m in document["model"]["merges"]]
            text = json.dumps(document, separators=(",", ":"))
        (OUT / f"{name}.json").write_text(text + "\n")
        (OUT / f"{name}.expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


main()
