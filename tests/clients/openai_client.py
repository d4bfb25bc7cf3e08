"""The `openai` package as a client of `credence serve`: run by tests/openai.rs, or by hand:

    OPENAI_BASE_URL=http://127.0.0.1:7878/v1 OPENAI_API_KEY=TOKEN python tests/clients/openai_client.py
"""

import math
import os

import openai

client = openai.OpenAI(max_retries=0, timeout=120)
MODEL = os.environ.get("MODEL", "credence")

names = [model.id for model in client.models.list()]
assert names[:2] == ["credence", "base"], names
assert client.models.retrieve("base").owned_by == "credence"

# A chat, with log-probabilities.
chat = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a fruit."}],
    max_tokens=12, temperature=0, seed=1, logprobs=True, top_logprobs=2,
)
choice = chat.choices[0]
assert choice.message.role == "assistant" and choice.finish_reason in ("stop", "length")
tokens = choice.logprobs.content
assert len(tokens) == chat.usage.completion_tokens <= 12
assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
# Without a temperature the most probable token is written.
assert all(token.logprob == token.top_logprobs[0].logprob for token in tokens)
spelt = b"".join(bytes(token.bytes) for token in tokens)
assert spelt.decode(errors="replace") == choice.message.content, (spelt, choice.message.content)

# The same, streamed.
stream = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a fruit."}],
    max_tokens=12, temperature=0, seed=1, stream=True, stream_options={"include_usage": True},
)
text, usage = "", None
for chunk in stream:
    usage = chunk.usage or usage
    for part in chunk.choices:
        text += part.delta.content or ""
assert text == choice.message.content, (text, choice.message.content)
assert usage == chat.usage, (usage, chat.usage)

# A given text, scored: what evaluation harnesses do.
scored = client.completions.create(model="base", prompt="onetwo", echo=True, logprobs=1, max_tokens=0, temperature=0)
told = scored.choices[0].logprobs
assert scored.choices[0].text == "onetwo", scored.choices[0].text
assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs) == len(told.text_offset)
assert all(p is None or (math.isfinite(p) and p <= 0) for p in told.token_logprobs)

# Errors are the package's own.
for wrong, kind in [
    (dict(model="nobody", prompt="x"), openai.NotFoundError),
    (dict(model="base", prompt="x", temperature=5), openai.BadRequestError),
]:
    try:
        client.completions.create(**wrong)
        raise SystemExit(f"{wrong} was taken")
    except kind as error:
        assert error.code in ("model_not_found", "invalid_value"), error
try:
    openai.OpenAI(api_key="0" * 48, max_retries=0).models.list()
    raise SystemExit("a wrong key was taken")
except openai.AuthenticationError as error:
    assert error.code == "unauthorized", error

print("all is well")
