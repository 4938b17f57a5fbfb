"""Builds and closes all WhatsApp objects of one number."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from fastapi import APIRouter

from fwai.adapters.whatsapp.call_state import PROVIDER, CallTimers, Progress
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.client import META_GRAPH_URL, META_GRAPH_VERSION, WhatsAppClient
from fwai.adapters.whatsapp.dialer import WhatsAppDialer
from fwai.adapters.whatsapp.event_router import WebhookRouter
from fwai.adapters.whatsapp.interfaces import MediaPeer
from fwai.adapters.whatsapp.line import WhatsAppLine
from fwai.adapters.whatsapp.messages import WhatsAppMessages
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.adapters.whatsapp.routes import WhatsAppWebhooks, router
from fwai.adapters.whatsapp.token import AppKeys, TokenManager
from fwai.domain.failure import UNWATCHED, Area
from fwai.http.api_watch import ApiWatch
from fwai.interfaces.calls import CallHandler
from fwai.interfaces.failures import Failures
from fwai.interfaces.messages import MessageReports, SentMessageLog
from fwai.interfaces.store import CallPermissionStore
from fwai.tasks import start_enduring

CREDENTIALS: Final = (
    "check META_ACCESS_TOKEN (a system user's token that never expires), its permissions and "
    "PHONE_NUMBER_ID"
)
ADDRESS: Final = "check the network and META_GRAPH_URL; look at Meta's status page"


@dataclass(frozen=True, slots=True)
class WhatsAppOptions:
    """Options of one WhatsApp number.

    Attributes:
        keys: The app at Meta; its secret signs webhooks.
        token_cache: File of an exchanged token.
        line: Our number, E.164, used when a webhook does not name it.
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
    """The running WhatsApp objects of one number.

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
    tokens: TokenManager


@asynccontextmanager
async def open_whatsapp(
    options: WhatsAppOptions,
    http: httpx.AsyncClient,
    peer: MediaPeer,
    handler: CallHandler,
    store: CallPermissionStore,
    on_progress: Callable[[Progress], None] = lambda _: None,
    reports: MessageReports | None = None,
    sent: SentMessageLog | None = None,
    failures: Failures = UNWATCHED,
) -> AsyncIterator[WhatsApp]:
    """Check the token, then run until the block is left, which ends ringing calls.

    Calls in progress end with their sessions: stop ``handler`` before leaving the block.
    """
    tokens = _build_tokens(options, http, failures)
    await tokens.open()
    graph = (options.graph_url, options.graph_version)
    watch = ApiWatch(failures, Area.PROVIDER, PROVIDER, CREDENTIALS, ADDRESS)
    client = WhatsAppClient(http, options.phone_number_id, tokens, *graph, watch)
    permissions = PermissionUpdates(store)
    listeners: list[Callable[[Progress], None]] = [on_progress]

    def notify(progress: Progress) -> None:
        for listener in listeners:
            listener(progress)

    async with asyncio.TaskGroup() as group:
        calls = _build_calls(options, client, peer, handler, group, notify)
        dialer = WhatsAppDialer(client, permissions, calls)
        listeners.append(dialer.on_progress)
        line = WhatsAppLine(dialer, calls)
        messages = WhatsAppMessages(client, permissions, group, reports, sent)
        endpoint = router(
            _webhook_options(options), WebhookRouter(calls, permissions, messages).handle
        )
        background = [
            start_enduring(group, permissions.run, "whatsapp_contacts", failures),
            start_enduring(group, tokens.run, "whatsapp_token", failures),
        ]
        try:
            yield WhatsApp(endpoint, line, calls, dialer, messages, tokens)
        finally:
            await calls.close()
            for task in background:
                task.cancel()


def _build_tokens(
    options: WhatsAppOptions, http: httpx.AsyncClient, failures: Failures
) -> TokenManager:
    return TokenManager(
        http,
        options.access_token,
        options.keys,
        options.token_cache,
        time.time,
        options.graph_url,
        options.graph_version,
        failures,
    )


def _build_calls(
    options: WhatsAppOptions,
    client: WhatsAppClient,
    peer: MediaPeer,
    handler: CallHandler,
    group: asyncio.TaskGroup,
    notify: Callable[[Progress], None],
) -> WhatsAppCalls:
    return WhatsAppCalls(
        client,
        peer,
        handler,
        group,
        line=options.line,
        pre_accept=options.pre_accept,
        timers=options.timers,
        on_progress=notify,
    )


def _webhook_options(options: WhatsAppOptions) -> WhatsAppWebhooks:
    return WhatsAppWebhooks(
        options.phone_number_id,
        options.verify_token,
        (options.keys.app_secret,),
        options.allow_unsigned,
    )
