"""All of WhatsApp for one number, built and taken down in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fastapi import APIRouter

from fwai.adapters.whatsapp.call_state import CallTimers, Progress
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.client import META_GRAPH_URL, META_GRAPH_VERSION, WhatsAppClient
from fwai.adapters.whatsapp.dialer import WhatsAppDialer
from fwai.adapters.whatsapp.event_router import WebhookRouter
from fwai.adapters.whatsapp.interfaces import MediaPeer
from fwai.adapters.whatsapp.line import WhatsAppLine
from fwai.adapters.whatsapp.messages import WhatsAppMessages
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.adapters.whatsapp.routes import WhatsAppWebhooks, router
from fwai.adapters.whatsapp.token import AppKeys, TokenKeeper
from fwai.interfaces.calls import CallHandler
from fwai.interfaces.messages import MessageReports
from fwai.interfaces.store import CallPermissionStore


@dataclass(frozen=True, slots=True)
class WhatsAppOptions:
    """What one number needs.

    Attributes:
        keys: The app at Meta; its secret signs webhooks.
        token_cache: Where an exchanged token is kept.
        line: Our number, E.164, where a webhook does not say.
    """

    phone_number_id: str
    access_token: str = field(repr=False)
    verify_token: str = field(repr=False)
    keys: AppKeys
    token_cache: Path
    line: str = ""
    graph_url: str = META_GRAPH_URL
    graph_version: str = META_GRAPH_VERSION
    pre_accept: bool = True
    allow_unsigned: bool = False
    timers: CallTimers = field(default_factory=CallTimers)


@dataclass(frozen=True, slots=True)
class WhatsApp:
    """One number, ready.

    Attributes:
        router: Meta's endpoint.
        line: Places calls and asks for permission.
        messages: Sends texts and templates.
    """

    router: APIRouter
    line: WhatsAppLine
    calls: WhatsAppCalls
    dialer: WhatsAppDialer
    messages: WhatsAppMessages
    tokens: TokenKeeper


@asynccontextmanager
async def open_whatsapp(
    options: WhatsAppOptions,
    http: httpx.AsyncClient,
    peer: MediaPeer,
    handler: CallHandler,
    store: CallPermissionStore,
    on_progress: Callable[[Progress], None] = lambda _: None,
    reports: MessageReports | None = None,
) -> AsyncIterator[WhatsApp]:
    """Look at the token, then serve until the block is left; that ends what rings.

    Calls that are carried end with their sessions: stop ``handler`` before leaving the block.
    """
    tokens = _tokens(options, http)
    await tokens.open()
    graph = (options.graph_url, options.graph_version)
    client = WhatsAppClient(http, options.phone_number_id, tokens, *graph)
    contacts = PermissionUpdates(store)
    followers: list[Callable[[Progress], None]] = [on_progress]

    def progressed(progress: Progress) -> None:
        for follow in followers:
            follow(progress)

    async with asyncio.TaskGroup() as group:
        calls = _calls(options, client, peer, handler, group, progressed)
        dialer = WhatsAppDialer(client, contacts, calls)
        followers.append(dialer.progressed)
        line = WhatsAppLine(dialer, calls)
        messages = WhatsAppMessages(client, contacts, group, reports)
        endpoint = router(_hooks(options), WebhookRouter(calls, contacts, messages).take)
        background = [
            group.create_task(contacts.run(), name="whatsapp_contacts"),
            group.create_task(tokens.run(), name="whatsapp_token"),
        ]
        try:
            yield WhatsApp(endpoint, line, calls, dialer, messages, tokens)
        finally:
            await calls.close()
            for task in background:
                task.cancel()


def _tokens(options: WhatsAppOptions, http: httpx.AsyncClient) -> TokenKeeper:
    return TokenKeeper(
        http,
        options.access_token,
        options.keys,
        options.token_cache,
        time.time,
        options.graph_url,
        options.graph_version,
    )


def _calls(
    options: WhatsAppOptions,
    client: WhatsAppClient,
    peer: MediaPeer,
    handler: CallHandler,
    group: asyncio.TaskGroup,
    progressed: Callable[[Progress], None],
) -> WhatsAppCalls:
    return WhatsAppCalls(
        client,
        peer,
        handler,
        group,
        line=options.line,
        pre_accept=options.pre_accept,
        timers=options.timers,
        on_progress=progressed,
    )


def _hooks(options: WhatsAppOptions) -> WhatsAppWebhooks:
    return WhatsAppWebhooks(
        options.phone_number_id,
        options.verify_token,
        (options.keys.app_secret,),
        options.allow_unsigned,
    )
