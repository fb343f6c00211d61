"""llama-cpp-python's side of compare-peers.sh: streams a greedy answer, then prints `prefill` and `decode` in tokens per second on stderr.

Arguments: model file, threads, prompt file, its tokens, tokens to generate, tokens to generate beforehand as a warm-up.
"""

import sys
import time
from itertools import islice

from llama_cpp import Llama

model_file, threads, prompt_file, prompt_tokens, tokens, warm_up = sys.argv[1:]
model = Llama(model_file, n_ctx=1024, n_threads=int(threads), n_threads_batch=int(threads), verbose=False)


def greedy(prompt, count):
    return islice(model.generate(model.tokenize(prompt), temp=0), count)


for _ in greedy(b"Hello", int(warm_up)):
    pass
with open(prompt_file, "rb") as file:
    prompt = file.read()
start = time.perf_counter()
first = None
for token in greedy(prompt, int(tokens)):
    if first is None:
        first = time.perf_counter()
    sys.stdout.buffer.write(model.detokenize([token]))
    sys.stdout.flush()
end = time.perf_counter()
print(f"\nprefill {int(prompt_tokens) / (first - start):.3f} decode {(int(tokens) - 1) / (end - first):.3f}", file=sys.stderr)
