"""Route that lists the agents of prompts.json."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from fwai.domain.agent import AgentProfile
from fwai.web.errors import problem_responses
from fwai.web.models import AgentList
from fwai.web.responses import json_response
from fwai.web.services import ApiServices


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""
    default = next(iter(services.agents), "")

    @api.get(
        "/agents",
        tags=["agents"],
        summary="List agents",
        response_model=AgentList,
        responses=problem_responses(),
    )
    async def listed() -> Response:
        """Return who may speak; what they are told stays in prompts.json."""
        agents = services.agents.values()
        return json_response({"agents": [_to_json(agent, default) for agent in agents]})


def _to_json(agent: AgentProfile, default: str) -> Mapping[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "voice": agent.voice or None,
        "language": agent.language or None,
        "tools": [*agent.tools, *(webhook.name for webhook in agent.webhooks)],
        "numbers": list(agent.numbers),
        "default": agent.id == default,
    }
