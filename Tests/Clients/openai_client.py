# SPDX-License-Identifier: Apache-2.0
"""Speaks to a Burrow server with OpenAI's own client, unmodified.

Usage: openai_client.py BASE_URL [--key KEY]

Prints one line for each check and ends with 1 when one failed. With --key the server must want
that key; without it the server must be open.
"""

import argparse
import asyncio
import sys
import traceback

import openai

PROMPT = [{"role": "user", "content": "Write 47 as a Roman numeral."}]
ADAPTERS = ["add", "date", "english", "french", "pig", "reverse", "roman", "shout"]


def lists_models(client):
    models = client.models.list().data
    assert [model.id for model in models] == ["sample"] + ADAPTERS, models
    assert client.models.retrieve("roman").id == "roman"


def completes(client):
    prompt = "<|im_start|>user\nWrite 47 as a Roman numeral.<|im_end|>\n<|im_start|>assistant\n"
    reply = client.completions.create(model="roman", prompt=prompt, temperature=0, max_tokens=16)
    assert reply.choices[0].text == "XLVII", reply
    assert reply.choices[0].finish_reason == "stop", reply
    assert reply.object == "text_completion" and reply.id.startswith("cmpl-"), reply
    both = client.completions.create(
        model="roman", prompt=[prompt, prompt], temperature=0, max_tokens=16
    )
    assert [choice.text for choice in both.choices] == ["XLVII", "XLVII"], both


def chats(client):
    reply = client.chat.completions.create(model="roman", messages=PROMPT, temperature=0)
    assert reply.choices[0].message.content == "XLVII", reply
    assert reply.choices[0].message.role == "assistant", reply
    assert reply.choices[0].finish_reason == "stop", reply
    assert reply.model == "roman" and reply.id.startswith("chatcmpl-"), reply
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def chats_with_content_parts_and_a_system_message(client):
    parts = [{"type": "text", "text": "Write 47 as a Roman numeral."}]
    reply = client.chat.completions.create(
        model="roman", messages=[{"role": "user", "content": parts}], temperature=0
    )
    assert reply.choices[0].message.content == "XLVII", reply
    messages = [{"role": "system", "content": "Answer."}] + PROMPT
    reply = client.chat.completions.create(
        model="roman", messages=messages, temperature=0, max_completion_tokens=4
    )
    assert reply.usage.completion_tokens <= 4, reply


def streams_with_usage(client):
    stream = client.chat.completions.create(
        model="roman",
        messages=PROMPT,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant", chunks[0]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "XLVII", text
    assert chunks[-2].choices[0].finish_reason == "stop", chunks[-2]
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 5, chunks[-1]
    assert all(chunk.usage is None for chunk in chunks[:-1])


def streams_completions(client):
    stream = client.completions.create(
        model="sample", prompt="roman 47", temperature=0, max_tokens=8, stream=True
    )
    whole = client.completions.create(
        model="sample", prompt="roman 47", temperature=0, max_tokens=8
    )
    text = "".join(chunk.choices[0].text for chunk in stream if chunk.choices)
    assert text == whole.choices[0].text, (text, whole)


def gives_logprobs(client):
    reply = client.chat.completions.create(
        model="roman", messages=PROMPT, temperature=0, logprobs=True, top_logprobs=3
    )
    steps = reply.choices[0].logprobs.content
    assert len(steps) == reply.usage.completion_tokens, reply
    for step in steps:
        assert len(step.top_logprobs) == 3 and step.logprob <= 0, step
        assert step.top_logprobs[0].token == step.token, step
    text = b"".join(bytes(step.bytes) for step in steps[:-1]).decode()
    assert text == "XLVII", text
    reply = client.completions.create(
        model="roman",
        prompt="XL",
        temperature=0,
        max_tokens=3,
        logprobs=2,
        extra_body={"ignore_eos": True},
    )
    lists = reply.choices[0].logprobs
    assert len(lists.tokens) == len(lists.token_logprobs) == len(lists.top_logprobs) == 3, lists


def gives_three_choices(client):
    reply = client.chat.completions.create(
        model="french", messages=PROMPT, n=3, temperature=1, seed=3, max_tokens=12
    )
    assert [choice.index for choice in reply.choices] == [0, 1, 2], reply
    stream = client.chat.completions.create(
        model="french", messages=PROMPT, n=3, temperature=1, seed=3, max_tokens=12, stream=True
    )
    texts = ["", "", ""]
    for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [choice.message.content for choice in reply.choices], (texts, reply)


def stops_where_it_is_told(client):
    reply = client.chat.completions.create(
        model="roman", messages=PROMPT, temperature=0, stop=["VI"]
    )
    assert reply.choices[0].message.content == "XL", reply
    assert reply.choices[0].finish_reason == "stop", reply
    reply = client.chat.completions.create(
        model="roman", messages=PROMPT, temperature=0, max_tokens=2
    )
    assert reply.choices[0].finish_reason == "length", reply


def repeats_with_a_seed(client):
    def sample(seed):
        reply = client.chat.completions.create(
            model="sample",
            messages=PROMPT,
            temperature=1,
            seed=seed,
            max_tokens=40,
            extra_body={"ignore_eos": True},
        )
        return reply.choices[0].message.content

    assert sample(7) == sample(7)
    assert len({sample(seed) for seed in range(8)}) > 1


def heeds_biases_and_penalties(client):
    reply = client.chat.completions.create(
        model="roman", messages=PROMPT, temperature=0, max_tokens=4, logit_bias={"5": 100}
    )
    biased = reply.choices[0].message.content
    assert biased != "XLVII" and len(set(biased)) == 1, reply
    client.chat.completions.create(
        model="roman",
        messages=PROMPT,
        presence_penalty=1,
        frequency_penalty=-1,
        top_p=0.5,
        user="someone",
        extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1},
    )


def names_a_wrong_model(client):
    try:
        client.chat.completions.create(model="romn", messages=PROMPT)
    except openai.NotFoundError as error:
        assert "did you mean" in error.message.lower() and "roman" in error.message, error
        assert error.body["param"] == "model", error.body
    else:
        raise AssertionError("a wrong model was served")


def refuses_what_is_wrong(client):
    try:
        client.chat.completions.create(model="roman", messages=PROMPT, temperature=-1)
    except openai.BadRequestError as error:
        assert error.body["param"] == "temperature", error.body
    else:
        raise AssertionError("a negative temperature was taken")


def answers_sixteen_at_once(client):
    async def all_at_once():
        async with openai.AsyncOpenAI(
            base_url=str(client.base_url), api_key=client.api_key
        ) as many:
            calls = [
                many.chat.completions.create(
                    model="roman",
                    temperature=0,
                    messages=[{"role": "user", "content": f"Write {n} as a Roman numeral."}],
                )
                for n in range(41, 57)
            ]
            return await asyncio.gather(*calls)

    answers = [reply.choices[0].message.content for reply in asyncio.run(all_at_once())]
    tens = {4: "XL", 5: "L"}
    ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    assert answers == [tens[n // 10] + ones[n % 10] for n in range(41, 57)], answers


def wants_the_right_key(client):
    wrong = openai.OpenAI(base_url=client.base_url, api_key="wrong", max_retries=0)
    for call in (wrong.models.list, lambda: chats(wrong)):
        try:
            call()
        except openai.AuthenticationError as error:
            assert "key" in error.message, error
        else:
            raise AssertionError("a wrong key was taken")
    chats(client)


OPEN_CHECKS = [
    lists_models,
    completes,
    chats,
    chats_with_content_parts_and_a_system_message,
    streams_with_usage,
    streams_completions,
    gives_logprobs,
    gives_three_choices,
    stops_where_it_is_told,
    repeats_with_a_seed,
    heeds_biases_and_penalties,
    names_a_wrong_model,
    refuses_what_is_wrong,
    answers_sixteen_at_once,
]
KEY_CHECKS = [wants_the_right_key, lists_models, streams_with_usage]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base_url")
    parser.add_argument("--key")
    options = parser.parse_args()
    client = openai.OpenAI(
        base_url=options.base_url, api_key=options.key or "none", max_retries=0, timeout=120
    )
    failed = 0
    for check in KEY_CHECKS if options.key else OPEN_CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            check(client)
            print(f"ok: {name}")
        except Exception:
            failed += 1
            print(f"FAILED: {name}\n{traceback.format_exc()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
