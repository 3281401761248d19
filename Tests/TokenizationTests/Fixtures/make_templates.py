#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Renders templates/*.jinja and many small templates with Jinja2, set as transformers sets it.

Needs: pip install jinja2==3.1.6
usage: make_templates.py
"""
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).resolve().parent
NOW = datetime.datetime(2024, 7, 3, 9, 5, 7)


class Raised(Exception):
    pass


class Generation(jinja2.ext.Extension):
    """The `generation` tag, which transformers only uses to find spans."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(line)

    def _support(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise Raised(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Weather of a place.\nIn °C – \"now\" <b>&amp;</b>.",
        "parameters": {"type": "object", "required": ["place"], "properties": {
            "place": {"type": "string", "description": "Ort"},
            "unit": {"type": "string", "enum": ["c", "f"]}, "days": {"type": "array", "items": {"type": "integer"}},
            "where": {"type": "object", "properties": {"lat": {"type": "number"}, "any": {}}}}}}},
    {"type": "function", "function": {"name": "stop", "description": "", "parameters": {
        "type": "object", "properties": {}}, "return": {"type": "null"}}},
]
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "abcdefghi", "type": "function", "function": {
        "name": "get_weather", "arguments": {"place": "Zürich 🙂", "days": [1, 2.0, 1e-7, -0.5, 1e16, None, True]}}}]}
CONVERSATIONS = [
    [{"role": "user", "content": "hi"}],
    [{"role": "system", "content": " Be brief.\n"}, {"role": "user", "content": "  a\nb "},
     {"role": "assistant", "content": "c  "}, {"role": "user", "content": "d {{ x }} {% y %}"}],
    [{"role": "user", "content": "1"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\n2"},
     {"role": "user", "content": "3"}, {"role": "assistant", "content": "4"}],
    [{"role": "user", "content": "weather?"}, CALL,
     {"role": "tool", "content": "{\"t\": 21}", "tool_call_id": "abcdefghi"},
     {"role": "tool", "content": "second", "tool_call_id": "abcdefghi"},
     {"role": "assistant", "content": "21 degrees", "reasoning_content": "\nsum\n"}, {"role": "user", "content": "thanks"}],
    [{"role": "user", "content": [{"type": "text", "text": " part one "}, {"type": "image"},
                                  {"type": "text", "text": "part two"}]}],
    [{"role": "assistant", "content": "out of order"}, {"role": "user", "content": "x"}],
    [{"role": "system", "content": "only"}],
    [{"role": "user", "content": "zero\u0000 e\u0301 \u00e9 \ud55c\u2028 </s><|im_end|>"}],
    [],
]


def contexts():
    for index, messages in enumerate(CONVERSATIONS):
        for tools in (None, TOOLS):
            base = {"messages": messages, "tools": tools, "add_generation_prompt": index % 2 == 0 or tools is None,
                    "bos_token": "<s>", "eos_token": "</s>"}
            yield base
            if index == 0:
                yield dict(base, add_generation_prompt=False)
                yield dict(base, enable_thinking=False, tools_in_user_message=False, date_string="1 Jan 2025")
            if index == 3:
                yield dict(base, builtin_tools=["code_interpreter", "brave_search"])


def render(env, source, context):
    try:
        return {"text": env.from_string(source).render(**context)}
    except Raised as error:
        return {"raised": str(error)}
    except Exception as error:
        return {"failed": type(error).__name__}


def small():
    exec((HERE / "small_templates.py").read_text(), globals())
    return globals()["CASES"], globals()["CONTEXT"]


def main():
    env = environment()
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text()
        cases = [dict(context=index, **render(env, source, context)) for index, context in enumerate(contexts())]
        path.with_suffix(".expected.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    (HERE / "contexts.json").write_text(json.dumps(list(contexts()), separators=(",", ":")) + "\n")
    cases, context = small()
    document = {"context": context, "cases": [dict(source=s, **render(env, s, context)) for s in cases]}
    (HERE / "small_templates.json").write_text(json.dumps(document, indent=0) + "\n")


main()
