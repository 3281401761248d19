#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Sources/Tokenization/Text/UnicodeTables.swift and unicode_classes.json.

The tables hold what Hugging Face `tokenizers` (the Python package, asked code point by code
point) believes of Unicode beyond PCRE2 10.42 (Unicode 14) and the normalizer of the standard
library. Needs: pip install tokenizers, libpcre2-8.
usage: make_unicode_tables.py
"""
import ctypes
import json
import pathlib

from tokenizers import Regex
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

HERE = pathlib.Path(__file__).resolve().parent
TABLES = HERE.parents[2] / "Sources/Tokenization/Text/UnicodeTables.swift"
POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, POINTS))
CATEGORIES = (
    "Cc Cf Co Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs".split()
)
SCRIPTS = (
    "Han Hiragana Katakana Hangul Latin Cyrillic Greek Arabic Hebrew Thai Devanagari Bengali "
    "Tamil Telugu Kannada Malayalam Gujarati Gurmukhi Sinhala Khmer Lao Myanmar Tibetan Georgian "
    "Armenian Ethiopic Mongolian Bopomofo"
).split()

pcre2 = ctypes.CDLL("libpcre2-8.so.0")
pcre2.pcre2_compile_8.restype = ctypes.c_void_p
pcre2.pcre2_match_data_create_8.restype = ctypes.c_void_p
pcre2.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)


def in_pcre2(pattern):
    """The code points PCRE2 matches with one class."""
    source, error, offset = f"(?:{pattern})+".encode(), ctypes.c_int(), ctypes.c_size_t()
    code = pcre2.pcre2_compile_8(
        source, ctypes.c_size_t(len(source)), ctypes.c_uint32(0x000A0000),
        ctypes.byref(error), ctypes.byref(offset), None)
    assert code, pattern
    block = ctypes.c_void_p(pcre2.pcre2_match_data_create_8(ctypes.c_uint32(2), None))
    ovector = pcre2.pcre2_get_ovector_pointer_8(block)
    subject, position, found = TEXT.encode(), 0, set()
    while pcre2.pcre2_match_8(
            ctypes.c_void_p(code), subject, ctypes.c_size_t(len(subject)),
            ctypes.c_size_t(position), ctypes.c_uint32(0x40000000), block, None) > 0:
        found.update(map(ord, subject[ovector[0]:ovector[1]].decode()))
        position = ovector[1]
    return found


def removed_by(pre_tokenizer):
    kept = {c for word, _ in pre_tokenizer.pre_tokenize_str(TEXT) for c in word}
    return {c for c in POINTS if chr(c) not in kept}


def in_tokenizers(pattern):
    return removed_by(P.Split(Regex(pattern), "removed"))


def ranges(points):
    result = []
    for point in sorted(points):
        if result and result[-1][1] == point - 1:
            result[-1][1] = point
        else:
            result.append([point, point])
    return result


def text(points):
    return [f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in ranges(points)]


def literal(name, comment, words):
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 84:
            lines.append(line)
            line = ""
        line += (" " if line else "") + word
    lines.append(line)
    body = " \\\n        ".join(lines)
    return f'    /// {comment}\n    static let {name} = """\n        {body}\n        """\n'


def late_scalars():
    """Marks and decompositions that are younger than the tables of `tokenizers`."""
    import unicodedata as u
    forms = {f: getattr(N, f)() for f in ("NFD", "NFKD")}
    late = set()
    # Unicode 15 and later, which an older Python does not know either.
    known_later = set(range(0x1E030, 0x1E06E)) | {0x10EFD, 0x10EFE, 0x10EFF, 0x11F41, 0x11F42,
                                                  0x1E08F, 0x1E4EC, 0x1E4ED, 0x1E4EE, 0x1E4EF}
    for c in POINTS:
        s = chr(c)
        ours = [forms["NFD"].normalize_str(x) for x in (s, s + "\u0334", "\u0345" + s)]
        theirs = [u.normalize("NFD", x) for x in (s, s + "\u0334", "\u0345" + s)]
        if ours != theirs or forms["NFKD"].normalize_str(s) != u.normalize("NFKD", s):
            late.add(c)
    return late | known_later


def main():
    seen = {name: in_tokenizers(rf"\p{{{name}}}") for name in CATEGORIES}
    additions = []
    for name in CATEGORIES:
        for word in text(seen[name] - in_pcre2(rf"\p{{{name}}}")):
            additions.append(f"{name}:{word}")
    scripts = []
    for name in SCRIPTS:
        try:
            found = in_tokenizers(rf"\p{{{name}}}")
        except Exception:
            continue
        missing = found - in_pcre2(rf"\p{{sc:{name}}}")
        scripts.append(f"{name}:" + ",".join(text(missing)))
    word_base = in_pcre2(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]")
    rust_word = {c for c in POINTS if len(P.Whitespace().pre_tokenize_str(f"a{chr(c)}a")) == 1}
    digits = P.Digits(individual_digits=True)
    numeric = {c for c in POINTS if len(digits.pre_tokenize_str(f"a{chr(c)}a")) == 3}
    accents = {c for c in POINTS if N.StripAccents().normalize_str(chr(c)) == ""}
    parts = [
        literal("categories", "General categories of scalars younger than Unicode 14.", additions),
        literal("scripts", "Every known script with its scalars younger than Unicode 14.", scripts),
        literal("alphabetic", "Alphabetic beyond `\\p{Alphabetic}` of Unicode 14.",
                text(in_tokenizers(r"\p{Alphabetic}") - in_pcre2(r"\p{Alphabetic}"))),
        literal("word", "`\\w` of Oniguruma beyond Alphabetic, M, Nd and Pc of Unicode 14.",
                text(in_tokenizers(r"\w") - word_base)),
        literal("whitespaceWord", "`\\w` of the Whitespace pre-tokenizer beyond the same.",
                text(rust_word - word_base)),
        literal("numeric", "What Digits takes for a number beyond N of Unicode 14.",
                text(numeric - in_pcre2(r"\p{N}"))),
        literal("punctuation", "All that Punctuation takes for punctuation.",
                text(removed_by(P.Punctuation("removed")))),
        literal("accents", "All that StripAccents removes.", text(accents)),
        literal("lateScalars", "What the normalizers leave alone although Unicode 15 would not.",
                text(late_scalars())),
    ]
    TABLES.write_text(
        "// SPDX-License-Identifier: Apache-2.0\n"
        "// Made by Tests/TokenizationTests/Fixtures/make_unicode_tables.py; do not edit.\n\n"
        "/// Ranges of scalars in hexadecimal, separated by spaces.\n"
        "enum UnicodeTables {\n" + "\n".join(parts) + "}\n")
    classes = [rf"\p{{{n}}}" for n in ("L", "N", "M", "P", "Han", "Lu", "White_Space")]
    classes += [r"\w", r"\s", r"\d", r"\h", "(?i:s)", "(?i:k)", ".", r"[^\s\p{L}\p{N}]",
                r"\P{N}", r"[\P{N}a]", r"[^\P{N}1]", r"[^\S\n]"]
    document = {p: [v for r in ranges(in_tokenizers(p)) for v in r] for p in classes}
    (HERE / "unicode_classes.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


main()
