"""The only place that talks to a model: any OpenAI-compatible chat endpoint.

This room knows endpoints, requests and answers. It does not know what the answers are for.

Example:
    ```python
    client = client_for(Endpoint.parse("qwen3@http://127.0.0.1:8000/v1#temperature=0.7"))
    completion = client.complete([{"role": "user", "content": "hello"}])
    ```
"""

from ise_env.llm.client import SHARED_METER, ModelClient, client_for
from ise_env.llm.completion import Completion
from ise_env.llm.endpoint import Endpoint
from ise_env.llm.structured import Structured, structured
from ise_env.llm.usage import Meter, Price, Prices, Tally

__all__ = [
    "SHARED_METER",
    "Completion",
    "Endpoint",
    "Meter",
    "ModelClient",
    "Price",
    "Prices",
    "Structured",
    "Tally",
    "client_for",
    "structured",
]
