"""Embeddings from an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from ise_env.errors import ModelEndpointError
from ise_env.llm.endpoint import Endpoint


def embed(endpoint: Endpoint, texts: Sequence[str]) -> list[list[float]]:
    """Ask for the embedding of each text, in one request.

    The SDK repeats what is worth repeating, up to `Endpoint.attempts`.

    Raises:
        ModelEndpointError: The endpoint failed, or answered another number of embeddings.
    """
    import openai

    where = f"embeddings of {endpoint.model}@{endpoint.address}"
    try:
        with openai.OpenAI(
            api_key=endpoint.key(),
            base_url=endpoint.base_url,
            max_retries=int(endpoint.attempts) - 1,
            timeout=endpoint.timeout_s,
        ) as client:
            answer = client.embeddings.create(
                model=endpoint.model,
                input=list(texts),
                encoding_format="float",
                extra_headers=dict(endpoint.headers),
                extra_body=dict(endpoint.extra_body),
            )
    except openai.APIStatusError as error:
        raise ModelEndpointError(
            f"{where}: status {error.status_code}: {error.message}", status=error.status_code
        ) from error
    except (openai.APIError, ValueError) as error:
        raise ModelEndpointError(f"{where}: {error}", retryable=True) from error
    if not answer.data or len(answer.data) != len(texts):
        raise ModelEndpointError(
            f"{where}: {len(texts)} texts sent, {len(answer.data or ())} embeddings came back"
        )
    return [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
